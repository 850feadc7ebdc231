-- Into the new table what the events of some days say.
INSERT INTO /*into new*/
SELECT * FROM (/*select all*/) WHERE day BETWEEN {start:Date} AND {end:Date}
