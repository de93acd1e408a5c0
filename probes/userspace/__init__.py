"""Probes in programs and libraries: found in the files that processes run, attached once per file."""
