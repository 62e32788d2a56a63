"""What faults strike: the servers behind proxies, every service as processes, and the means to read them all."""
