"""PostgreSQL statements at rest, one a file, named for what they do."""

from config.sql_files import reader

load = reader(__file__)
