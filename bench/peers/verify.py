"""Verify one token again and again, with PyJWT or Authlib: started by bench/guard.py, in the peers' environment.

The first line of stdin says what: library, token, key, issuer, audience and algorithm. Every further line is a number
of times; the answer is the processor time of one, in seconds.
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
