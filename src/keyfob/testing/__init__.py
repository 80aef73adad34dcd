"""Fakes, a scripted user, issuers and tenants, for tests of keyfob and of programs that use keyfob."""
