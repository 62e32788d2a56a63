"""Who may ask for what, and how often: keys, tokens, the table of routes, limits, denials."""
