"""The beginning and the end of a project: what it has in each store."""
