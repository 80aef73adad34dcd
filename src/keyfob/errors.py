"""Every error, on one page."""
