"""The only place that imports pymongo: read models, checkpoints, and the transaction that moves them together."""
