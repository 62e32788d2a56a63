"""Checks the log, and copies of it, for everything that can be checked without believing anyone."""
