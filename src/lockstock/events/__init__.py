"""Events: what has happened in a shop, in order, for whoever wants to follow."""
