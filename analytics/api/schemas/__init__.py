"""What reports with long answers say about them in the OpenAPI document, one module a report."""
