-- Fills the new table from the events of some days. Day 65535 is 1969-12-31: see rebuild_keep.sql.
INSERT INTO /*into new*/
SELECT * FROM (/*select all*/)
WHERE day BETWEEN {start:Date} AND {end:Date}
    OR (toUInt16(day) = 65535 AND toUInt16({start:Date}) = 0)
