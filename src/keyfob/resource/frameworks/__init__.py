"""Adapters that put a guard in front of the views of web frameworks."""
