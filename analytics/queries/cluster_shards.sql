-- The shards of a cluster, as the server's configuration has them.
SELECT shard_num, count(), min(internal_replication)
FROM system.clusters
WHERE cluster = {cluster:String}
GROUP BY shard_num
ORDER BY shard_num
