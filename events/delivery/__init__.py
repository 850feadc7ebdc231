"""Delivery: batches from PostgreSQL's outbox into ClickHouse, until it has confirmed them."""
