"""Receiving: files that come by HTTP or through the admin."""
