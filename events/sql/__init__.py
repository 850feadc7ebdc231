"""PostgreSQL statements, one in each file. The file name says what the statement does."""

from config.sql_files import reader

load = reader(__file__)
