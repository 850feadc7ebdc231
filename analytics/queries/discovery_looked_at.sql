-- Some events of a range, as a condition: one block of rows in so many, or all. Blocks of 8,192 rows
-- are read whole, so others cost nothing. Which block it is differs by part, because rows are in order
-- of their types in each. The bounds let in events of the days beside.
occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}
    AND toDate32(occurred_at, {tz:String}) BETWEEN {start:Date} AND {end:Date}
    AND ({type:String} = '' OR event_type = {type:String})
    AND (intDiv(_part_offset, 8192) + cityHash64(_part)) % {step:UInt64} = 0
