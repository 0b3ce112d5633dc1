"""`lockstock explain`: why a figure is what it is, on the database of the settings."""
