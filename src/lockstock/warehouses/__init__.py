"""Warehouses: stock, reservations, transfers, the movement ledger."""
