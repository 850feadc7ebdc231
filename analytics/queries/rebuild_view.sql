-- Writes new events to the new table, as the old view does for the old table.
CREATE MATERIALIZED VIEW /*view*//*on cluster*/ TO /*new*/ AS /*select*/
