-- A table like another, empty.
CREATE TABLE /*new*//*on cluster*/ AS /*old*/
