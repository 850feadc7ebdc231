"""ClickHouse's HTTP interface over chDB: one process, one data directory, loopback only.

Unlike a ClickHouse server, it has no sessions (`session_id` is accepted, but SET, USE and temporary
tables end with their request), no users (there is one password, in `GATEWAY_PASSWORD`), no external
tables, none of ClickHouse's own compressed blocks (`compress=1`), and only one statement per
request. The engine gives each query its own id; the `query_id` of a request is only sent back. A
result in a format with a head or a foot (JSON, Parquet, CSVWithNames) is made in memory. Native,
TSV, CSV, RowBinary and lines of JSON are streamed.

The HTTP server is that of the standard library. It took less processor time than the same code
behind granian, gunicorn or cheroot. On 2 cores it took 56 ms for a 20 MB insert (the others 61 to
93), 39 ms for a 20 MB result (58 to 109) and 2.1 ms for a `SELECT 1` (3.1 to 3.5). It also gives
access to the socket, which shows when a client has left.
"""
