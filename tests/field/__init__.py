"""One test for each kind of fault that reports from the field showed."""
