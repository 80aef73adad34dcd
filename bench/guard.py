"""Measure the validation of a token by `keyfob.guard`, a bare signature check, PyJWT, Authlib, joserfc and npm's jose.

Each library has the key in memory and checks the signature, issuer, audience and time. Processor time is measured,
which excludes other processes and includes other threads of the library.
"""

from __future__ import annotations

import base64
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwk, jwt
from measure import show

from keyfob.guard import Denial, Guard, Policy, Principal, verify
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.scope import Scope
from keyfob.testing.flawed_tokens import TokenMaker
from tools.peers import MODULES, node

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv" / "peers" / "python"
ISSUER, AUDIENCE = "https://login.example/", "https://api.example/"
ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "RS256")
ROUNDS, CALLS = 101, 60

Timer = Callable[[int], float]


def main() -> None:
    """Print validations per second of processor time."""
    for algorithm in ALGORITHMS:
        with ExitStack() as stack:
            taken = _side_by_side(_timers(algorithm, stack), f"bare {algorithm}")
        show(taken, beside=f"bare {algorithm}")
        first, again = taken[f"Guard.check, {algorithm}"], taken[f"Guard.check, remembered, {algorithm}"]
        print(f"  a remembered token is checked {first / again:.1f} × as fast as a new one")


def _side_by_side(timers: Mapping[str, Timer], beside: str) -> dict[str, float]:
    """Measure many short rounds and compare within each round, since a slow moment affects the whole round."""
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for timer in timers.values():
        timer(CALLS)
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            seconds[name].append(timer(CALLS))
    bare = statistics.median(seconds[beside])
    ratios = {
        name: [one / other for one, other in zip(taken, seconds[beside], strict=True)]
        for name, taken in seconds.items()
    }
    return {name: statistics.median(taken) * bare for name, taken in ratios.items()}


def _timers(algorithm: Algorithm, stack: ExitStack) -> dict[str, Timer]:
    now = datetime.now(UTC)
    key = SigningKey.generate(algorithm)
    token = TokenMaker(ISSUER, AUDIENCE, key, key, now, Scope.of(["read:orders"])).good()
    keys, policy = KeySet((key.public_key(),)), Policy(ISSUER, AUDIENCE, (algorithm,))
    text = token.reveal()
    imported = jwk.import_key(json.loads(json.dumps(key.public_jwk())))
    wanted = {name: {"essential": True} for name in ("exp", "iat", "sub")}
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, **wanted
    )
    request = Request("GET", "/orders", (("host", "api.example"), ("authorization", f"Bearer {text}")))
    plain, remembering = _guard(key, algorithm, 0), _guard(key, algorithm, 1000)
    task = {"token": text, "jwk": key.public_jwk(), "issuer": ISSUER, "audience": AUDIENCE, "algorithm": algorithm}
    python = str(PEERS / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
    programs = {
        "PyJWT": [python, str(HERE / "peers" / "verify.py"), "PyJWT"],
        "Authlib": [python, str(HERE / "peers" / "verify.py"), "Authlib"],
        "npm jose": [str(node()), str(HERE / "peers" / "verify.mjs"), str(MODULES)],
    }

    def checked(guard: Guard) -> Callable[[], object]:
        assert isinstance(guard.check(request, "read:orders"), Principal)
        return lambda: guard.check(request, "read:orders")

    def joserfc_alone() -> None:
        registry.validate(jwt.decode(text, imported, algorithms=[algorithm]).claims)

    assert not isinstance(verify(token, keys, policy, now), Denial)
    return {
        f"bare {algorithm}": _timer(_bare(key, text)),
        f"keyfob.guard verify, {algorithm}": _timer(lambda: verify(token, keys, policy, now)),
        f"Guard.check, {algorithm}": _timer(checked(plain)),
        f"Guard.check, remembered, {algorithm}": _timer(checked(remembering)),
        f"joserfc, {algorithm}": _timer(joserfc_alone),
        **{f"{name}, {algorithm}": stack.enter_context(_program(command, task)) for name, command in programs.items()},
    }


def _guard(key: SigningKey, algorithm: Algorithm, remember: int) -> Guard:
    def issuer(_: Request) -> Response:
        return json_response(200, {"keys": [key.public_jwk()]}, headers=(("cache-control", "max-age=86400"),))

    policy = Policy(ISSUER, AUDIENCE, (algorithm,), jwks_uri=f"{ISSUER}jwks.json")
    return Guard(policy, send=issuer, remember=remember)


def _bare(key: SigningKey, text: str) -> Callable[[], None]:
    signed, _, signature = text.rpartition(".")
    raw, public = base64.urlsafe_b64decode(signature + "=="), key.handle.public_key()

    def bare() -> None:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(public, ec.EllipticCurvePublicKey):
            der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            public.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))

    return bare


def _timer(thing: Callable[[], object]) -> Timer:
    def timed(calls: int) -> float:
        start = time.process_time()
        for _ in range(calls):
            thing()
        return (time.process_time() - start) / calls

    return timed


@contextmanager
def _program(command: list[str], task: Mapping[str, object]) -> Iterator[Timer]:
    pipe, silence = subprocess.PIPE, subprocess.DEVNULL  # Authlib warns about its move to joserfc
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silence, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(line: str) -> str:
        stdin.write(line + "\n")
        stdin.flush()
        return stdout.readline().strip()

    try:
        assert ask(json.dumps(task)) == "ready", command
        yield lambda calls: float(ask(str(calls)))
    finally:
        stdin.close()
        process.wait(10)
        stdout.close()
