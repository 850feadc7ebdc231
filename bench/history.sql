-- Random events of one year. The parameter `users` is the number of users. They join evenly over the
-- year. After that each user is equally likely on every day, which is the worst case for tables by
-- day and user. The events are numbered, so that they can be made in slices.
INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)
SETTINGS max_insert_threads = 2, max_partitions_per_insert_block = 0, insert_deduplicate = 0
WITH sipHash64(number, 1) % (364 * 86400) AS ago
SELECT
    reinterpretAsUUID(sipHash128(number)),
    toDateTime64({last:DateTime('UTC')} - ago, 3, 'UTC'),
    concat('user-', toString(sipHash64(number, 2) % toUInt64(1 + {users:UInt64} * (1 - ago / (364 * 86400))))),
    ['signup', 'purchase', 'add_to_cart', 'search', 'click', 'page_view'][
        1 + toUInt8(log2(1 + sipHash64(number, 3) % 63))
    ],
    concat('{"country":"', ['UA', 'US', 'DE', 'PL', 'GB', 'FR', 'BR', 'IN'][1 + sipHash64(number, 4) % 8],
           '","plan":', toString(sipHash64(number, 5) % 5), '}')
FROM numbers({first:UInt64}, {count:UInt64})
