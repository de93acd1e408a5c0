/* Plain text of TLS libraries: what its probe shares with Python (bpf/kernel/events.h says how). */

/* What the programs count, one 64-bit cell per processor each (map `tls_tallies`). */
enum tls_tally {
	TLS_TEXTS = 0,      /* texts read or written whose socket is known */
	TLS_UNMAPPED = 1,   /* texts whose socket is not known */
	TLS_BY_CALL = 2,    /* connections whose socket was used in a call */
	TLS_BY_RECORD = 3,  /* connections whose socket was read before a call */
	TLS_MISMATCHED = 4, /* records that were not those of the next call */
	TLS_UNTOLD = 5,     /* processes for which `tls_processes` had no room */
	TLS_TALLIES = 6,
};
