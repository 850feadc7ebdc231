"""The admin's pages for events, batches, rejected events and property schemas."""
