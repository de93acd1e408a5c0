"""From windows of rows to looks at trouble: what is ill, and what explains it. Pure: windows in, looks out."""
