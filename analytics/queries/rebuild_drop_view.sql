DROP VIEW IF EXISTS /*view*//*on cluster*/ SYNC
