-- Into the new table what the events of some days say.
INSERT INTO /*new*/
SELECT * FROM (/*select*/) WHERE day BETWEEN {start:Date} AND {end:Date}
