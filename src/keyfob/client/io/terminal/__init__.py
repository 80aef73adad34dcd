"""The terminal, the keyboard, the browser and the redirect listener."""
