-- Counts the new events that a project stored since a moment. The ids of batches sort by time, so
-- the index of a project's batches leads to the first one: `first` is the lowest id of that moment.
SELECT coalesce(sum(stored), 0)
FROM batches
WHERE project_id = %(project)s AND id >= %(first)s
  AND state <> 'unstored' AND split_from_id IS NULL
