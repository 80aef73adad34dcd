"""Auth objects for HTTP libraries, and HTTP connections with a profile's TLS settings."""
