ALTER TABLE /*table*//*on cluster*/
ADD COLUMN IF NOT EXISTS /*column*/ LowCardinality(String) MATERIALIZED /*value*/
