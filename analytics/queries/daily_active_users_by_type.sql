-- Users a day with an event of one type; see daily_active_users.sql.
SELECT day, count()
FROM daily_users_by_type FINAL
WHERE indexHint(day BETWEEN {start:Date} AND {end:Date}) AND /*segments*/ 1
GROUP BY day
SETTINGS
    do_not_merge_across_partitions_select_final = 1,
    split_intersecting_parts_ranges_into_layers_final = 0
