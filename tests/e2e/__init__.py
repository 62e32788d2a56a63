"""The registry as its users meet it: real processes, asked over HTTP."""
