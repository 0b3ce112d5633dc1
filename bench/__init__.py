"""The benchmark: Lockstock, what most teams write, and bare PostgreSQL, side by side in one run."""
