"""Publishes the accepted events of the log: the public feed and the latest state of each model, exactly once."""
