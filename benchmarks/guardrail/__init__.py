"""What a guardrail costs and saves on the wire: `make bench-guardrail`."""
