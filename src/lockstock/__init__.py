"""Orders and stock that never oversell."""

__version__ = "0.1.0"
