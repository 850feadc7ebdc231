-- Drops the events of a month. A part never holds events of two months.
ALTER TABLE /*events*/ DROP PARTITION {month:UInt32}
