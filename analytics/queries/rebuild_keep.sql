-- What the old table says of other days.
INSERT INTO /*into new*/
SELECT * FROM /*all old*/ WHERE day NOT BETWEEN {start:Date} AND {end:Date}
