"""Middleware: what happens to every request on its way to a view and back."""
