"""The stored files: their port, its MinIO adapter, and the names that files carry in and out."""
