"""The ground: columns, row kinds, batches, tables, histograms, ledger, clock, errors; it imports nothing of ours."""
