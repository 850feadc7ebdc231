"""The reports over HTTP. A module of `reports` is a report; nothing else has to know of it."""
