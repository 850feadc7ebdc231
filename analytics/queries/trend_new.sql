-- New users by the bucket of their first event.
SELECT /*bucket*/ AS bucket, count()
FROM (/*firsts*/)
GROUP BY bucket
