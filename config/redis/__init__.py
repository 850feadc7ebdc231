"""The Redis of the rate limit: its address, and a Redis Cluster in its place."""
