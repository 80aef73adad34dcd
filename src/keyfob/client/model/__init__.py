"""The client's value classes, which only parse and write."""
