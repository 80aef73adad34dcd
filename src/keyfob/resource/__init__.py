"""Token validation for APIs."""
