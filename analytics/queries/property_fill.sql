-- Writes the column of the parts that were there before it.
ALTER TABLE /*table*//*on cluster*/ MATERIALIZE COLUMN /*column*/
