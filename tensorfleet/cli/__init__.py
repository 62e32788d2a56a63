"""The `tensorfleet` command. Each subcommand is a thin module here over a package that knows nothing of a terminal."""
