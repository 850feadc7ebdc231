"""What the service needs of PostgreSQL beside Django's tables: locks, its version, its errors."""
