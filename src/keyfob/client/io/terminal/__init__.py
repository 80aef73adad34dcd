"""The user's terminal, keyboard and browser, and the listener for the redirect."""
