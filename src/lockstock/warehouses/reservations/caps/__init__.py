"""Customers with a cap on their open reservations."""
