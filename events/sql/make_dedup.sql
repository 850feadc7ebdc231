-- Makes the table of a project's ids, unless it is there. With the project as a column of one table,
-- an insert of 10,000 ids took 1.2 times as long and the index was 1.28 times as large. A partition
-- would hold the project's number in each row: 1.15 times the table. See docs/adr/0007-projects.md.
CREATE TABLE IF NOT EXISTS /*dedup*/ (PRIMARY KEY (event_id)) INHERITS (dedup);
CREATE INDEX IF NOT EXISTS /*dedup*/_first_seen ON /*dedup*/ USING brin (first_seen) WITH (autosummarize = on);
