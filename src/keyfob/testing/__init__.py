"""For our tests and for our users': time that obeys, scripted people, named faults.

The one room that may do as it likes. Its fakes pass the same checks as the real thing.
"""
