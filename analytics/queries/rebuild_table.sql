-- Makes an empty table like the old one.
CREATE TABLE /*new*//*on cluster*/ AS /*old*/
