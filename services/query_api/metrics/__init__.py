"""Series of reported metrics."""
