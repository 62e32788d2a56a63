"""The server under the app: where it listens, what a connection and a client may take."""
