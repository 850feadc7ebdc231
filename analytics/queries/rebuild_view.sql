-- Brings to the new table what arrives, as the old table's view does to the old one.
CREATE MATERIALIZED VIEW /*view*//*on cluster*/ TO /*new*/ AS /*select*/
