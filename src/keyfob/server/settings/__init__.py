"""Settings: tenant.toml, registered clients and APIs, import from Auth0."""
