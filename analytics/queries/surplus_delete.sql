-- Takes out rows by their place. Without a subquery: it would be asked anew for every part, after
-- other parts had lost their rows.
DELETE FROM events
WHERE (user_hash, _part, _part_offset)
    IN arrayZip({users:Array(UInt64)}, {parts:Array(String)}, {offsets:Array(UInt64)})
