"""PostgreSQL statements about keys, one a file."""

from config.sql_files import reader

load = reader(__file__)
