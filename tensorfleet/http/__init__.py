"""What the HTTP services share: problem answers, strict JSON, conditional answers, metrics, health."""
