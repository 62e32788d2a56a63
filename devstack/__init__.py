"""Kafka, MongoDB and MinIO as child processes, for machines without a Docker engine."""
