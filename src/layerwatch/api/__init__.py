"""The wire: routes, dialects, error objects, OpenAPI."""
