"""Stock: what is in a building, and the ledger of its changes."""
