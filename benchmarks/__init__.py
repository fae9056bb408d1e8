"""What is measured rather than asserted. Each module is a program of its own; docs/benchmarks.md has the results."""
