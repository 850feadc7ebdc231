"""Auditing: the two stores compared, and what is wrong in them mended."""
