"""Options of commands that are fields of a project."""

# The option of each limit, without its hyphens.
LIMITS = {
    "limit": "rate_limit_per_minute",
    "quota": "events_per_month",
    "history": "history_days",
}
# What the faults of a field are called.
NAMES = {
    **{field: f"--{option}" for option, field in LIMITS.items()},
    "slug": "the slug",
    "name": "--name",
}
