"""Project-wide configuration."""
