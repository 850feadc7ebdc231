-- The view that writes days of the old zone.
DROP VIEW IF EXISTS /*old view*//*on cluster*/ SYNC
