-- One attempt more for a batch, and its lease. Gives the payload, the attempt's number, and how many
-- events the batch and those merged into it have.
UPDATE batches AS claimed SET
    attempts = attempts + 1,
    claimed_until = statement_timestamp() + %(lease)s
WHERE id = %(id)s
RETURNING payload, attempts, (
    SELECT sum(stored) FROM batches AS part WHERE part.id = %(id)s OR part.merged_into_id = %(id)s
)
