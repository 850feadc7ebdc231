-- Into the new table what all events say.
INSERT INTO /*into new*/ /*select all*/
