"""PostgreSQL statements, one in each file. The file name says what the statement does."""

from config.building_blocks.sql_files import reader

load = reader(__file__)
