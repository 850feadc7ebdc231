-- The versions that the servers run: a single one, except during an update.
SELECT DISTINCT version()
FROM /*every server*/
