"""Low stock: what of a shop is running out, and what time alone gives back."""
