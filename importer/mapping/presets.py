"""How the exports of other tools name things."""

from importer.mapping.columns import ColumnMap

PRESETS = {
    # Raw export API, one JSON object per line: {"event": …, "properties": {…}}. Mixpanel itself
    # treats two events as the same event if the four values in `id_from` are equal.
    # https://developer.mixpanel.com/reference/raw-event-export
    "mixpanel": ColumnMap(
        sources={
            "event_type": ("event",),
            "user_id": ("properties.distinct_id", "distinct_id"),
            "occurred_at": ("properties.time", "time"),
            "properties": ("properties",),
        },
        id_from=("properties.$insert_id", "properties.distinct_id", "properties.time", "event"),
        id_optional=True,
        time="s",
        rest="properties",
    ),
    # Export API, one JSON object per line. Times are UTC, written without an offset. A user who
    # has not signed in has only a device id.
    # https://amplitude.com/docs/apis/analytics/export
    "amplitude": ColumnMap(
        sources={
            "event_id": ("uuid",),
            "occurred_at": ("event_time",),
            "user_id": ("user_id", "device_id"),
            "properties": ("event_properties",),
        },
        time="utc",
        rest="properties",
    ),
    # Batch export to files, JSON lines or Parquet, and the CSV of the events page. The person id
    # is PostHog's own; distinct_id is the id that the application keeps sending.
    # https://posthog.com/docs/cdp/batch-exports/s3
    "posthog": ColumnMap(
        sources={
            "event_id": ("uuid",),
            "event_type": ("event",),
            "occurred_at": ("timestamp",),
            "user_id": ("distinct_id",),
            "properties": ("properties",),
        },
        time="utc",
        rest="ignore",
    ),
    # The BigQuery export's tables events_YYYYMMDD, as JSON lines or Parquet. Their events have no
    # id. Two events of one user with the same name and microsecond differ only in their place in
    # the upload.
    # https://support.google.com/analytics/answer/7029846
    "ga4": ColumnMap(
        sources={
            "event_type": ("event_name",),
            "occurred_at": ("event_timestamp",),
            "user_id": ("user_id", "user_pseudo_id"),
            "properties": ("event_params",),
            "properties.device": ("device.category",),
            "properties.country": ("geo.country",),
            "properties.platform": ("platform",),
        },
        id_from=(
            *("user_pseudo_id", "event_timestamp", "event_name", "event_bundle_sequence_id"),
            *("batch_page_id", "batch_ordering_id", "batch_event_index"),
        ),
        id_optional=True,
        time="us",
        rest="ignore",
    ),
}
