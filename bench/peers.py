"""The best figures of five open services with the same purpose.

They were measured before this service was written and are not measured here. Each service ran on a
virtual machine with 2 cores like this one, with the load generator beside it. The best end of each
range is used. The ranges are: 160 to 7,100 events/s from the first request until all events are
stored; 120 to 465 requests/s of one event; CSV 1,900 to 5,100 events/s; at 100,000 events DAU in 46
to 250 ms, top events in 18 to 200 ms, retention in 110 to 1,180 ms.
"""

from bench.table import Bound

# Among the services that store a repeated event only once, the best reached 1,200.
BATCHES = Bound(7_100, remark="1,200 with deduplication")
SINGLES = Bound(465)
CSV = Bound(5_100)
REPORTS = {
    "DAU": Bound(46, at_most=True),
    "top events": Bound(18, at_most=True),
    "retention": Bound(110, at_most=True),
}
