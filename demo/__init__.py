"""A tour of the service on people who do not exist: `make demo`."""
