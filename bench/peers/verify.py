"""Verify one token repeatedly with PyJWT or Authlib; bench/guard.py starts this in the environment of the peers.

The first line of stdin is JSON: token, key, issuer, audience and algorithm. Every further line is a number of calls,
and the program prints the processor time of one call in seconds.
"""

import json
import sys
import time


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    verify = {"PyJWT": pyjwt, "Authlib": authlib}[sys.argv[1]](orders)
    verify()
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.process_time()
        for _ in range(int(line)):
            verify()
        print((time.process_time() - start) / int(line), flush=True)


def pyjwt(orders):
    import jwt  # noqa: PLC0415  one program, two libraries

    key = jwt.PyJWK(orders["jwk"]).key
    wanted = {"require": ["exp", "iat", "sub", "aud", "iss"]}
    return lambda: jwt.decode(
        orders["token"],
        key,
        algorithms=[orders["algorithm"]],
        audience=orders["audience"],
        issuer=orders["issuer"],
        options=wanted,
    )


def authlib(orders):
    from authlib.jose import JsonWebKey, JsonWebToken  # noqa: PLC0415  one program, two libraries

    key = JsonWebKey.import_key(orders["jwk"])
    reader = JsonWebToken([orders["algorithm"]])
    wanted = {
        "iss": {"essential": True, "value": orders["issuer"]},
        "aud": {"essential": True, "value": orders["audience"]},
        "exp": {"essential": True},
        "iat": {"essential": True},
        "sub": {"essential": True},
    }
    return lambda: reader.decode(orders["token"], key, claims_options=wanted).validate()


main()
