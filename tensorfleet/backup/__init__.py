"""Copies of a registry: its two topics that can't be rebuilt from others, and the files that they name."""
