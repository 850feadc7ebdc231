-- The SELECT of a materialized view.
SELECT as_select
FROM system.tables
WHERE database = currentDatabase() AND name = {view:String}
