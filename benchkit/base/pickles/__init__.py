"""Reads a pickle from a stranger as plain data."""
