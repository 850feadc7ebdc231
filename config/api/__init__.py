"""What all endpoints share: parameters, errors, and the OpenAPI document."""
