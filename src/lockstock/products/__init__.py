"""Products, variants, prices, search."""
