"""Streams: what can be sold, told at once to whoever watches."""
