"""Untrusted text for a terminal."""


def printable(text: str) -> str:
    """Replace the characters of untrusted text that could control a terminal: control, format and private ones."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
