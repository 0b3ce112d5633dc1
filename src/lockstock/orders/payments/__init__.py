"""Payments: attempts, providers, the inbox of their events."""
