"""Requests: a one-time code is asked for, and sent if somebody has the identity."""
