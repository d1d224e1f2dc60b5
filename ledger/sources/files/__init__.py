"""Files that facts come from: CSV, NDJSON and Parquet, read as a stream of rows of text."""
