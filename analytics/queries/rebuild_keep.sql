-- Copies the rows of other days from the old table.
INSERT INTO /*into new*/
SELECT * FROM /*all old*/ WHERE day NOT BETWEEN {start:Date} AND {end:Date}
