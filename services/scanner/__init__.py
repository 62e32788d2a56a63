"""Scans each file that was attached, in a sandbox, and tells the registry the verdict."""
