"""The endpoints. Each loads records, calls the decisions, saves records and returns a response."""
