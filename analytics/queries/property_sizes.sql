-- The bytes of each property's own column on disk, on this server.
SELECT column, sum(column_data_compressed_bytes)
FROM system.parts_columns
WHERE database = currentDatabase() AND table = {table:String} AND active AND startsWith(column, 'property_')
GROUP BY column
