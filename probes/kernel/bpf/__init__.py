"""bpf(2), as far as a probe needs it: the call, and what it does with maps, programs and their links."""
