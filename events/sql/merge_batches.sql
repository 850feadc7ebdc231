-- The first batch takes over the frames of the others, in order of id. The others are marked as
-- merged into the first.
WITH frames AS (
    SELECT string_agg(payload, ''::bytea ORDER BY id) AS payload FROM batches WHERE id = ANY(%(ids)s)
), emptied AS (
    UPDATE batches SET state = 'merged', merged_into_id = %(first)s, payload = NULL
    WHERE id = ANY(%(ids)s) AND id <> %(first)s
)
UPDATE batches SET payload = frames.payload FROM frames WHERE id = %(first)s
