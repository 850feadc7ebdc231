-- The users behind a number of a trend. The names between /* and */ are filled in by
-- analytics.trends.people, from SQL of this service.
WITH /*value*/ AS value
SELECT user_hash
FROM /*source*/
WHERE /*range*/ AND /*moments*/ AND /*segments*/ AND /*number*/ AND /*line*/
