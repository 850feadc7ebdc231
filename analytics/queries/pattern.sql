-- Fails if the server does not understand a regular expression. A constant would be computed where
-- nothing is said of the pattern.
SELECT match(toString(number), {pattern:String})
FROM system.numbers
LIMIT 1
