-- A new batch in the outbox. Its payload is bound in binary form.
INSERT INTO batches (
    project_id, source, state, received, stored, duplicates,
    payload, payload_bytes, decoded_bytes, attempts, error, delivered_at
) VALUES (
    %(project)s, %(source)s, %(state)s, %(received)s, %(stored)s, %(received)s - %(stored)s,
    %(payload)b, %(payload_bytes)s, %(decoded_bytes)s, 0, '', %(delivered_at)s
)
RETURNING id
