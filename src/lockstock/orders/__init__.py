"""Orders, payments, shipments, returns."""
