"""API keys: what programs call a shop with."""
