"""How fast the gateway is, measured side by side with nginx. docs/benchmarks.md has the method."""
