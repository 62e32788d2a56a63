"""Builds the MongoDB read models from the log: one transaction for each batch, the checkpoint inside it."""
