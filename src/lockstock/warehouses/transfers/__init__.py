"""Transfers between two warehouses of a shop."""
