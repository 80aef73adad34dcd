"""The client's value classes. They parse and serialize, and contain no other logic."""
