"""Explanations: why a figure is what it is, and why a warehouse was chosen."""
