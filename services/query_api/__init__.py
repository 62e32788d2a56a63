"""The query API: every read over HTTP, and downloads."""
