"""Attempts: what was tried lately, per identity and per network address."""
