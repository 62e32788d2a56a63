"""Who may do what: keys, roles and limits to model names. Nothing here talks to a server."""
