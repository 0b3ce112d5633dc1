"""Shops, their members and their settings."""
