"""The settings of a project: its keys, its members and its time zone."""
