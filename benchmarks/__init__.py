"""Measures the registry on servers of its own: `python -m benchmarks [name ...]`, one module per figure."""
