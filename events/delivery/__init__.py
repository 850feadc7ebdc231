"""Delivery: sends batches from PostgreSQL's outbox to ClickHouse until it confirms them."""
