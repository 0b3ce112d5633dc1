"""Shipments: parcels of an order, from one warehouse each."""
