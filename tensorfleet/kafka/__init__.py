"""The only place that imports confluent_kafka: clients, topics, and the loops around them."""
