"""The watch on what is on hand: reads the log, and lets products mark what may be in stock."""
