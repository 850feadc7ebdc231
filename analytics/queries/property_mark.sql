-- The comment says whether reports may read the column. They may when all parts have it: ClickHouse
-- would compute it from the whole of the properties for the others.
ALTER TABLE events/*on cluster*/ COMMENT COLUMN IF EXISTS /*column*/ '/*comment*/'
