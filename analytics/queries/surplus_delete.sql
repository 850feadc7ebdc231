-- Takes out rows by their place. Without a subquery: it would be asked anew for every part, after
-- other parts had lost their rows.
DELETE FROM events
WHERE (_part, _part_offset) IN arrayZip({parts:Array(String)}, {offsets:Array(UInt64)})
