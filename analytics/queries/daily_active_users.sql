-- Users a day. indexHint only selects by the primary key what to read. It does not compare the day
-- of each row, which would cost as much again as counting. So days just outside the range may have
-- too low counts, and the caller leaves these days out.
SELECT day, count()
FROM daily_users FINAL
WHERE indexHint(day BETWEEN {start:Date} AND {end:Date}) AND /*segments*/ 1
GROUP BY day
SETTINGS
    do_not_merge_across_partitions_select_final = 1,
    -- A small history takes a quarter longer if its unmerged parts are read in layers.
    split_intersecting_parts_ranges_into_layers_final = 0
