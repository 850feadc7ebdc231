-- Deletes some batches of a project. A batch that other batches name is deleted after them.
DELETE FROM batches WHERE id IN (
    SELECT id FROM batches AS old
    WHERE project_id = %(project)s
      AND NOT EXISTS (SELECT FROM batches AS taken WHERE taken.merged_into_id = old.id)
      AND NOT EXISTS (SELECT FROM batches AS part WHERE part.split_from_id = old.id)
    LIMIT %(limit)s
)
