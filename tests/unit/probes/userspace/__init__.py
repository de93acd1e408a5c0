"""Files of processes, and probes in them."""
