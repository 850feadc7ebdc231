"""The pages that people look at, on the services of the reports."""
