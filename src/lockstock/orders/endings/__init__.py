"""Endings: how an order is cancelled, completed or expires, and how its stock gets free."""
