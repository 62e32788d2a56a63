"""The registry's processes; each folder is one, and none imports another (the gateway composes them)."""
