-- The columns of single properties, and whether reports may read them; see property_mark.sql. On a
-- cluster, these are the columns of the table in front of all shards.
SELECT name, comment = 'in use'
FROM system.columns
WHERE database = currentDatabase() AND table = 'events' AND startsWith(name, 'property_')
ORDER BY name
