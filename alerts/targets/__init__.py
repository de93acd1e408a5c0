"""Who can be told, one file each."""
