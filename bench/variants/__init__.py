"""Variants of the stack, each compared in one run with the stack as it is."""
