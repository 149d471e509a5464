"""The audit record: lines with a hash chain, written durably, read, verified and trimmed."""
