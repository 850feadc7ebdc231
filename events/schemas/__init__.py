"""JSON Schemas for properties: whether a schema is safe, and how long it may take."""
