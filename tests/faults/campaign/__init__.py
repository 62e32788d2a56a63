"""The faults, in which order they are injected, and what a run amounts to."""
