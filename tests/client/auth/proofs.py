"""What a server reads in a proof."""

from keyfob.jose.proofs import read_proof
from keyfob.protocol.dpop import Proof
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret


def proof_of(request: Request) -> tuple[Proof, str]:
    """The one proof of a request, its signature checked, and the thumbprint of its key."""
    [shown] = request.header_values("dpop")
    return read_proof(Secret(shown))


def nonces_of(requests: list[Request]) -> list[str | None]:
    return [proof_of(request)[0].nonce for request in requests]
