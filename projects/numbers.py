"""The number of the default project, for modules that need no database and so no models."""

# The project that is always there. A request that names none means it.
DEFAULT = 1
