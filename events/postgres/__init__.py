"""What the service needs from PostgreSQL besides Django's tables: locks, version, errors."""
