"""A synthetic camera network: procedurally drawn people who walk past cameras. No download, no real person."""
