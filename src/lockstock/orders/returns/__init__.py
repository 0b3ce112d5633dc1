"""Returns: units of an order that came back."""
