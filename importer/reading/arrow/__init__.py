"""Apache Arrow: reads Parquet files, and turns columns into values that JSON can hold."""
