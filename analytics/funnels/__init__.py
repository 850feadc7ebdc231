"""Funnels: how many users went through some steps, how long it took, and where they stopped."""
