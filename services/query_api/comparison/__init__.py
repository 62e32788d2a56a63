"""Models and versions beside each other."""
