"""Identities: what a person adds to, and takes from, those they registered with."""
