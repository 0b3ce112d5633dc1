"""Replay: a real shop's past, invoice by invoice, through the public API."""
