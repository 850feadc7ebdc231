-- Whether the records of what was applied are a cluster's, where there are any.
SELECT startsWith(engine, 'Replicated')
FROM system.tables
WHERE database = currentDatabase() AND name = 'schema_files'
