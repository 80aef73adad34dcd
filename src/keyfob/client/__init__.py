"""A program that wants a token.

Flows are generators that yield asks and touch nothing; `client/io` answers them. Never imports the other two roles.
"""
