-- The places of values; see trend_by.sql.
WITH
    /*top*/ AS top,
    /*value*/ AS value,
    multiIf(isNull(value), 0, (indexOf(top, assumeNotNull(value)) AS found) > 0, found, {n:UInt16} + 1)
        AS place_
