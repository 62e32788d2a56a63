"""What happened to models, and whether the log says so."""
