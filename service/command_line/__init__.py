"""The commands of `qaconv-service`. `ingest` and `search` are clients: they speak to a running service over HTTP."""
