"""Beat: the process that starts the periodic tasks."""
