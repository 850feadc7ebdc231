"""What the environment says: its variables, the broker it names, and a check of its secrets."""
