"""Downloads: what is sent, what is kept back, what is counted."""
