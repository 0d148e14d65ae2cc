"""The host's own graphs."""
