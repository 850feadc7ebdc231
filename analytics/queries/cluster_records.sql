-- Whether the records of applied schema files belong to a cluster. No row if there are no records.
SELECT startsWith(engine, 'Replicated')
FROM system.tables
WHERE database = currentDatabase() AND name = 'schema_files'
