"""The watch on low stock: reads the log, compares, and lets warehouses tell."""
