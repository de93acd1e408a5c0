"""The store of one machine: a log of the newest seconds, Parquet files of those before, and what reads both."""
