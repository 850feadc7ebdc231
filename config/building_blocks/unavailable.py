"""Errors that mean that PostgreSQL is unavailable. Any other error is a fault of the service."""

import psycopg
from django import db

# PostgreSQL is down, shutting down, or too busy: the pool's timeout is an OperationalError too.
POSTGRESQL = (
    *(db.OperationalError, db.InterfaceError),
    *(psycopg.OperationalError, psycopg.InterfaceError),
)
