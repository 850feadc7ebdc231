"""The benchmark: `make bench` measures the whole stack and prints the table of the README."""
