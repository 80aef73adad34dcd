"""The door for an API that checks tokens."""
