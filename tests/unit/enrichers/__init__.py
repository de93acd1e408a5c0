"""Tests of enrichers."""
