"""The feed over HTTP: in pages and as a stream."""
