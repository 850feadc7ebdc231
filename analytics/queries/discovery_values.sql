-- The most frequent values of a property, as text, that begin like this; equal counts by text. The beginnings
-- are looked at before or after the values are counted: see analytics.discovery.finding.
SELECT value, count() AS events
FROM
(
    SELECT /*value*/ AS value
    FROM events
    WHERE /*looked at*/
)
WHERE lengthUTF8(value) <= {longest:UInt32} AND /*before counting*/
GROUP BY value
HAVING /*once counted*/
ORDER BY events DESC, value
LIMIT {limit:UInt32}
