"""ClickHouse's HTTP interface over chDB: one process, one data directory, loopback only."""
