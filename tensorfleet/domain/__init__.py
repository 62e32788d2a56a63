"""What a model registry *is*, in pure Python: no clock, no network, only the standard library."""
