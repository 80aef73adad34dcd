"""Endpoints that clients call."""
