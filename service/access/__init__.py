"""Who may ask for what: API keys, their scopes, the file that they stand in, and how often each may ask."""
