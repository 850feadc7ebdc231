-- Deletes rows by their place. Not with a subquery: ClickHouse would run it again for every part,
-- after other parts have lost their rows.
DELETE FROM events
WHERE (user_hash, _part, _part_offset)
    IN arrayZip({users:Array(UInt64)}, {parts:Array(String)}, {offsets:Array(UInt64)})
