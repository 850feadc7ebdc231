"""ClickHouse's HTTP interface over chDB: one process, one data directory, loopback only.

What a server does and this does not: sessions (`session_id` is accepted, but SET, USE and
temporary tables end with their request), users (there is one password, in
`GATEWAY_PASSWORD`), external tables, ClickHouse's own
compressed blocks (`compress=1`), several statements in a request. The engine gives each query an
id of its own; the `query_id` of a request is only sent back. A result in a format with a head or
a foot (JSON, Parquet, CSVWithNames) is made in memory; Native, TSV, CSV, RowBinary and lines of
JSON are streamed.

The server is the standard library's: per 20 MB insert, 20 MB result and `SELECT 1` it took less
processor time than the same code behind granian, gunicorn or cheroot (on 2 cores 56, 39 and
2.1 ms against 61 to 93, 58 to 109 and 3.1 to 3.5 ms), and it leaves the socket within reach, by
which a client that left is noticed.
"""
