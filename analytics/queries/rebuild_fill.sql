-- Fills the new table from all events.
INSERT INTO /*into new*/ /*select all*/
