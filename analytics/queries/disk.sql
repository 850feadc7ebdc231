-- Bytes free and in all on the disk that is fullest.
SELECT free_space, total_space
FROM system.disks
WHERE total_space > 0
ORDER BY free_space / total_space
LIMIT 1
