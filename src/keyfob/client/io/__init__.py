"""The client's input and output: network, clock, browser, terminal, vault.

Only the public modules and `keyfob.testing` import this package. It translates errors of libraries into keyfob's.
"""
