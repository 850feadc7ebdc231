-- The paths in the properties of some events, written as in a segment, and the types of each. In a
-- name of ClickHouse's a dot between two keys is a dot, and one in a key is %2E.
WITH
    arrayJoin(CAST(found, 'Array(Tuple(String, Array(String)))')) AS one,
    replaceAll(replaceRegexpAll(one.1, '[\\\\:=]', '\\\\\\0'), '%2E', '\\.') AS path
SELECT path, one.2 AS types
FROM
(
    SELECT distinctJSONPathsAndTypes(properties) AS found
    FROM events
    WHERE /*looked at*/
)
WHERE lengthUTF8(path) <= {longest:UInt32}
    AND startsWith(caseFoldUTF8(path), caseFoldUTF8({prefix:String}))
ORDER BY path
LIMIT {limit:UInt32}
