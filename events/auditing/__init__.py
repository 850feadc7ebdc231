"""Auditing: compares the two stores and repairs what is wrong in them."""
