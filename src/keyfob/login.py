"""The door for a program that wants a token."""
