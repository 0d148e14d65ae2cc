"""The host's own nodes."""
