"""Fakes, a scripted user and contract checks, for the tests of keyfob and of its users."""
