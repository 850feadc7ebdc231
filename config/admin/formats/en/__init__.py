"""Where Django looks for the formats of English."""
