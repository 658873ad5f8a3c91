"""From model objects to what a person reads; nothing here decides anything."""
