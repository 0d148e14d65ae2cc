"""Builders that wire nodes and aggregators into compiled graphs, and the ready-made graphs."""
