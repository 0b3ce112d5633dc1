"""The inbox: events of providers, kept first, then applied until done."""
