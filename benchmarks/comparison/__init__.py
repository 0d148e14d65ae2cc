"""This library beside other ways of doing the same, on the wire: `make bench-comparison`."""
