-- One block of rows in so many, as a condition. Blocks of 8,192 rows are read whole, so others cost
-- nothing. Which block it is differs by part, because rows are in order of their types in each.
(intDiv(_part_offset, 8192) + cityHash64(_part)) % {step:UInt64} = 0
