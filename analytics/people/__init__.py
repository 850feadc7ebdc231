"""The people of a project: who they are, and who is behind a number."""
