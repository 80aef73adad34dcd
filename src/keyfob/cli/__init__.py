"""The words a person types.

Results go to stdout and all else to stderr. Talks to the terminal; reaches the rest of the world through the doors.
"""
