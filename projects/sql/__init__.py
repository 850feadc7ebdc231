"""PostgreSQL statements about keys, one a file."""

from config.building_blocks.sql_files import reader

load = reader(__file__)
