"""Benchmarks: each measures the work beside its own yardstick in the same run, and prints the ratio."""
