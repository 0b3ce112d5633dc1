"""Deliveries: one event on its way to one webhook, tried until it arrives or is given up."""
