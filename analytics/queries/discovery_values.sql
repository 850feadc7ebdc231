-- The most frequent values of a property, as text, that begin like this; equal counts by text.
SELECT value, count() AS events
FROM
(
    SELECT /*value*/ NULL AS value
    FROM events
    WHERE /*looked at*/ 1
)
WHERE lengthUTF8(value) <= {longest:UInt32}
    AND ({prefix:String} = '' OR startsWith(caseFoldUTF8(value), caseFoldUTF8({prefix:String})))
GROUP BY value
ORDER BY events DESC, value
LIMIT {limit:UInt32}
