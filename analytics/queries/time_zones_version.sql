-- The version of the time zone database that the server was built with.
SELECT value
FROM system.build_options
WHERE name = 'TZDATA_VERSION'
