"""Credentials of a stored login for third-party SDKs, which send the token themselves."""
