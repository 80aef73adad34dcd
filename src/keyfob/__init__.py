"""keyfob gives a command-line program the safest login its terminal allows.

Three doors: `keyfob.login` wants a token, `keyfob.serve` gives them, `keyfob.guard` checks them.
"""
