-- A table like another, empty.
CREATE TABLE /*new*/ AS /*old*/
