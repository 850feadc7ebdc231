"""The pages, a module each, from the overview to what comes in now."""
