-- The users of each cohort. The bits of `came` say in which periods: bit 0, the cohort's own, is always
-- set. Cohorts and periods are numbered from {first}. The names between /* and */ are filled in by
-- analytics.cohorts.users, from SQL of this service.
SELECT user_hash, /*cohort*/ AS cohort, /*came*/ AS came
FROM
(
    SELECT user_hash, /*started*/ AS started, /*returned*/ AS returned
    FROM
    (
        SELECT
            user_hash,
            toInt32(/*number*/ - {first:Int32}) AS period,
            -- The last bit is for all periods that the mask has no bit for. Nobody asks for it. A
            -- shift must be by an unsigned number, and by fewer than all bits; see retention.sql.
            bitShiftLeft(/*one*/, toUInt8(least({last_bit:UInt8}, toUInt32(period)))) AS bit,
            /*starts*/ AS starts,
            /*returns*/ AS returns
        FROM /*source*/
        WHERE /*range*/ AND /*segments*/ AND (starts OR returns) AND /*is new*/
    )
    GROUP BY user_hash
)
WHERE /*has started*/
