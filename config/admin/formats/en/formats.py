"""Days and hours as the API and the dashboard write them, which are also the shortest."""

DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "Y-m-d H:i"
