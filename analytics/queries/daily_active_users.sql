-- Users a day. indexHint picks what to read by the primary key and compares no row's day, which
-- would cost as much again as counting: days beside the range may come out short, and the caller
-- leaves them out.
SELECT day, count()
FROM daily_users FINAL
WHERE indexHint(day BETWEEN {start:Date} AND {end:Date})
GROUP BY day
SETTINGS do_not_merge_across_partitions_select_final = 1
