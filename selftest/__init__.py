"""Tailrace's test of itself: known traffic, and whether every byte of it was seen."""
