-- The place of a value among the first ones; see trend_by.sql. For a period that is compared, these are
-- known by their marks, so that it has the same ones.
multiIf(isNull(value), 0, (indexOf(top, /*known by*/) AS found) > 0, found, {n:UInt16} + 1)
