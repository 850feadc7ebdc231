-- Copies the rows of other days from the old table. 1969-12-31, which zones west of Greenwich have, is
-- day 65535 for ClickHouse. It goes with 1970-01-01.
INSERT INTO /*into new*/
SELECT * FROM /*all old*/
WHERE day NOT BETWEEN {start:Date} AND {end:Date}
    AND NOT (toUInt16(day) = 65535 AND toUInt16({start:Date}) = 0)
