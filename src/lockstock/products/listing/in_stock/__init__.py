"""The list of products, of what may be in stock only."""
