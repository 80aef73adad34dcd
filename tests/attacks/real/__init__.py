"""Attacks over real connections of this machine."""
