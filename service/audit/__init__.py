"""What is put on the audit record, and by whom; the record itself is `storage.audit`."""
