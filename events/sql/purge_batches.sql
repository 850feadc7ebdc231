-- A bite of old batches whose events are all in ClickHouse. One that took others along goes after
-- them, since they name it.
DELETE FROM batches WHERE id IN (
    SELECT id FROM batches AS old
    WHERE created_at < %(before)s AND state = 'delivered'
      AND NOT EXISTS (SELECT FROM batches AS taken WHERE taken.merged_into_id = old.id)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
