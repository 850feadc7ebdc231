"""Errors by which a store says that it is away; any other is a fault of ours."""

import psycopg
from django import db

# Gone, going, or too busy: the pool's timeout is an OperationalError too.
POSTGRESQL = (
    *(db.OperationalError, db.InterfaceError),
    *(psycopg.OperationalError, psycopg.InterfaceError),
)
