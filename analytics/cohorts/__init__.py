"""Cohorts: users by when they began, and the periods after that in which they came again."""
