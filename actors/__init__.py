"""Tailrace's pure state machines: no I/O, no Faust, no clock of their own."""
