-- The names of the time zones that the server knows.
SELECT time_zone
FROM system.time_zones
