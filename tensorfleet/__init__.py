"""The shared core of the TensorFleet Model Registry: domain, events, and the adapters to its servers."""
