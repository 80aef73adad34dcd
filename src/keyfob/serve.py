"""The door for a program that gives tokens."""
