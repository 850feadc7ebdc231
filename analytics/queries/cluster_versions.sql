-- What runs on the servers: one version, but while they are updated.
SELECT DISTINCT version()
FROM /*every server*/
