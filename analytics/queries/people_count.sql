-- How many people there are. It reads what people_page.sql reads.
SELECT uniqExact(user_hash)
FROM users
WHERE /*asked*/ 1
