"""Reallocation: orders leave a warehouse that was switched off for others that have their units."""
