"""What the log makes of the read models: from records to the writes of one transaction. Knows no server."""
