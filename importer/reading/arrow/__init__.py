"""Apache Arrow: Parquet files, and columns as the values that JSON has for them."""
