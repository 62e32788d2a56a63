"""The load: clients that send commands, read and download, and a record of all that they saw."""
