"""What web processes serve, with less patience with PostgreSQL: a test would wait for 10 s."""

from config.building_blocks import silence
from config.server.rsgi import application

__all__ = ["application"]

assert silence._Limit.seconds == 10
silence.limit_process(2)
