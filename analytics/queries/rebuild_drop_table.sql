DROP TABLE IF EXISTS /*new*//*on cluster*/ SYNC
