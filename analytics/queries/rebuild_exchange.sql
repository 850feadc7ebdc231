-- The new table takes the place of the old one, between two queries.
EXCHANGE TABLES /*old*/ AND /*new*//*on cluster*/
