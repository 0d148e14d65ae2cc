"""The pieces that run inside a graph."""
