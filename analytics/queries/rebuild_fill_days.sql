-- Fills the new table from the events of some days.
INSERT INTO /*into new*/
SELECT * FROM (/*select all*/) WHERE day BETWEEN {start:Date} AND {end:Date}
