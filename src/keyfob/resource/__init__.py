"""Checking tokens: what an API does. Pure; asks for a missing key with a value, never with a call."""
