"""Signing, verification and encryption: the only package that imports joserfc and cryptography.

Except for the generation of random keys, the package has no input or output.
"""
