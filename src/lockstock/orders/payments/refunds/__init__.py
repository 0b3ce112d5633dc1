"""Refunds: money on its way back, and the worker that sees it there."""
