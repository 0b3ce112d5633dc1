"""Reservations: stock locked for an order, all lines or none."""
