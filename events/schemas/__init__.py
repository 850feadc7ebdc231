"""JSON Schemas for properties: which are safe, and how long one may take."""
