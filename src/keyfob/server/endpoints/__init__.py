"""The endpoints. Each loads records, decides with `keyfob.server.decide`, saves records and returns a response."""
