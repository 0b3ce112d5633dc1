"""Shipping: committed stock leaves the building, and may come back."""
