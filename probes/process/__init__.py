"""Executions of programs."""
