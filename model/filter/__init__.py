"""Which rows are wanted, in one grammar for commands and sinks: ``failed>0 port:5432 -process:prometheus``."""
