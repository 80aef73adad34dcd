"""The client's input and output: network, clock, browser, terminal, vault.

Only the public modules and `keyfob.testing` import this package. Errors of libraries are
translated into keyfob's errors.
"""
