"""The same flash sale in other systems: 500 buyers at once, 50 units."""
