-- Deletes some old batches that are finished. A batch that other batches name, because they were
-- merged into it or split from it, is deleted after them. A project with a quota counts its month by
-- its batches, so those of this month stay.
DELETE FROM batches WHERE id IN (
    SELECT id FROM batches AS old
    WHERE created_at < %(before)s AND state IN ('delivered', 'split', 'discarded')
      AND NOT EXISTS (SELECT FROM batches AS taken WHERE taken.merged_into_id = old.id)
      AND NOT EXISTS (SELECT FROM batches AS part WHERE part.split_from_id = old.id)
      AND (
          created_at < %(month)s
          OR NOT EXISTS (
              SELECT FROM projects WHERE projects.id = project_id AND events_per_month IS NOT NULL
          )
      )
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
