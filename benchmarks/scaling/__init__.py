"""Wide fan-outs and many runs at once: `make bench-scaling`."""
