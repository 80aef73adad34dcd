"""Signing, verification and encryption: the only package that imports joserfc and cryptography.

The package is pure except for the generation of keys.
"""
