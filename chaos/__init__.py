"""Breaks it on purpose and judges the result."""
