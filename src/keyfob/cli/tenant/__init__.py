"""`keyfob tenant`, verb by verb."""
