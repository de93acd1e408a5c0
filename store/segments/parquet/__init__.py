"""Files of Parquet, made and read as columns of numpy: pages of few rows, and an index that finds them."""
