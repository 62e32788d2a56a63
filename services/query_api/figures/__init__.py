"""Numbers about models: statistics, rankings, downloads over time."""
