-- What the old table says of other days.
INSERT INTO /*new*/
SELECT * FROM /*old*/ WHERE day NOT BETWEEN {start:Date} AND {end:Date}
