"""Which products may have units: a mark on each, so that a list of them skips all the others."""
