"""The page for those who run the service: how it is, and what to do."""
