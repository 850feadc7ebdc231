-- The users with a matching event on some days. The names between /* and */ are filled in by
-- analytics.people.finding, from SQL of this service.
SELECT user_hash
FROM /*source*/
WHERE /*range*/ AND /*segments*/
