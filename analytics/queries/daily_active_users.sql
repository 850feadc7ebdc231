-- Users a day, of whole months: the partition alone decides what is read, because comparing each
-- row's day would double the cost. The caller picks its days.
SELECT day, count()
FROM daily_users FINAL
WHERE toYYYYMM(day) BETWEEN toYYYYMM({start:Date}) AND toYYYYMM({end:Date})
GROUP BY day
SETTINGS do_not_merge_across_partitions_select_final = 1
