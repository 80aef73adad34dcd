"""Auth objects for other HTTP libraries, and a profile's connections."""
