"""The ledger: every change of what is on hand, read back."""
