"""One process for one machine: the command and query routes together at one address."""
