"""The verbs of `keyfob tenant`."""
