-- Into the new table what all events say.
INSERT INTO /*new*/ /*select*/
