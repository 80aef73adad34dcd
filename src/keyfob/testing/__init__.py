"""Fakes, a scripted user, issuers and tenants, for the tests of keyfob and of its users."""
