"""The benchmark: `make bench` measures the whole stack and prints tables like docs/benchmark.md."""
