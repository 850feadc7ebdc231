ALTER TABLE /*table*//*on cluster*/ DROP COLUMN IF EXISTS /*column*/
