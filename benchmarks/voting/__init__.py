"""How well, and with how few calls, the library's voting decides: on recorded votes of models."""
