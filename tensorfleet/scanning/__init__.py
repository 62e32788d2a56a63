"""Judging a model file by its bytes, without ever loading it."""
