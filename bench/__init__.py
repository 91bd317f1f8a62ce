"""Benchmarks (`python -m bench`) and chaos (`python -m bench.chaos`): see README.md."""
