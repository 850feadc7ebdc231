-- Replaces the old table with the new one, between two queries.
EXCHANGE TABLES /*old*/ AND /*new*//*on cluster*/
