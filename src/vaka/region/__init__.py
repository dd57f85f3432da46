"""The synthetic region used by demo, tests and benchmarks."""
