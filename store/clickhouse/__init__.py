"""The store of many machines: the tables of ``store.segments`` in ClickHouse, written by engines, read by anyone."""
