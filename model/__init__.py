"""The ground of Tailrace: columns, row kinds, batches, tables, ledger, clock, errors; it imports nothing of ours."""
