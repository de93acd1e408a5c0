"""Who somebody is, and when."""
