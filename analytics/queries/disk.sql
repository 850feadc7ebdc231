-- Free bytes and all bytes of the fullest disk.
SELECT free_space, total_space
FROM system.disks
WHERE total_space > 0
ORDER BY free_space / total_space
LIMIT 1
