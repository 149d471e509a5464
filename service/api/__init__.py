"""The HTTP interface: the only part of the service that knows HTTP."""
