"""The log: one per shop, dense, append-only."""
