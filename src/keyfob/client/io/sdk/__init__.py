"""Credentials of a stored login for the SDKs of others, which send the token themselves."""
