"""History: the whole story of an order, from all that is kept of it."""
