"""Small parts that several apps build on."""
