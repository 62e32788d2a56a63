"""Which blobs the log refers to; verifying those, and removing the others."""
