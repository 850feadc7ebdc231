"""A line of each tool whose exports are read, and the user and the properties it becomes."""

from typing import Any

from tests.importer.mapping.mapped import ID

MIXPANEL = {
    "event": "Signed up",
    "properties": {"time": 1767225600, "distinct_id": "u1", "$insert_id": "i1", "plan": 3},
}
AMPLITUDE = {
    "uuid": ID,
    "event_time": "2026-01-01 00:00:00.000000",
    "user_id": None,
    "device_id": "d1",
    "event_type": "Signed up",
    "event_properties": {"plan": 3},
    "platform": "iOS",
    "$schema": 12,
}
POSTHOG = {
    "uuid": ID,
    "event": "Signed up",
    "timestamp": "2026-01-01T00:00:00.000Z",
    "distinct_id": "u1",
    "person_id": "p1",
    "properties": {"plan": 3},
    "elements_chain": "",
}
GA4 = {
    "event_date": "20260101",
    "event_timestamp": "1767225600000000",
    "event_name": "Signed up",
    "event_params": [
        {"key": "plan", "value": {"string_value": None, "int_value": 3}},
        {"key": "page", "value": {"string_value": "/a"}},
    ],
    "user_pseudo_id": "u1",
    "event_bundle_sequence_id": 1,
    "device": {"category": "mobile"},
    "geo": {"country": "Ukraine"},
    "platform": "WEB",
}
GA4_PROPERTIES = {"plan": 3, "page": "/a", "device": "mobile", "country": "Ukraine"}
EXPORTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "mixpanel": (MIXPANEL, "u1", MIXPANEL["properties"]),  # type: ignore[dict-item]
    "amplitude": (AMPLITUDE, "d1", {"plan": 3, "platform": "iOS", "$schema": 12}),
    "posthog": (POSTHOG, "u1", {"plan": 3}),
    "ga4": (GA4, "u1", {**GA4_PROPERTIES, "platform": "WEB"}),
}
