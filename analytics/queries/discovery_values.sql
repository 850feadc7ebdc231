-- The most frequent values of a property, as text, that begin like this; equal counts by text. Most
-- values are there many times, so their beginnings are looked at once they are counted.
SELECT value, count() AS events
FROM
(
    SELECT /*value*/ AS value
    FROM events
    WHERE /*looked at*/
)
WHERE lengthUTF8(value) <= {longest:UInt32}
GROUP BY value
HAVING startsWith(caseFoldUTF8(value), caseFoldUTF8({prefix:String}))
ORDER BY events DESC, value
LIMIT {limit:UInt32}
