"""A program logs in as itself: client credentials (RFC 6749 §4.4)."""

from __future__ import annotations

from keyfob.client.answer import read_tokens
from keyfob.client.asks import Flow, now, tell
from keyfob.client.credential import Credential
from keyfob.client.discover import discover
from keyfob.client.held import Held
from keyfob.client.notices import NotBound
from keyfob.client.profile import Profile
from keyfob.client.program import Program, ask_for_tokens
from keyfob.client.prover import make_prover
from keyfob.errors import Refused
from keyfob.protocol.grants import ClientCredentialsGrant
from keyfob.protocol.secret import Secret


def log_in(profile: Profile, credential: Credential, proof_key: Secret | None = None) -> Flow[Held]:
    """From nothing to an access token that may be kept; there is no refresh token, the program just asks again.

    Args:
        profile: What to ask for.
        credential: The program's own.
        proof_key: What its tokens were bound to so far, if they were.

    Raises:
        Refused: The server does not know the program, or will not give it that.
        Unreachable: No usable answer at the moment.
        Malformed: Metadata or tokens came, but not as they should.
        Misuse: The issuer could never be asked safely.
    """
    metadata = yield from discover(profile)
    program = Program.at(metadata, profile.client_id, credential)
    program.prover = yield from make_prover(profile, metadata, proof_key)
    grant = ClientCredentialsGrant(profile.target, profile.scope or None)
    response = yield from ask_for_tokens(program, metadata.token_endpoint, grant)
    try:
        answer = read_tokens(response, "the server does not let this program in", program.token_types)
    except Refused as problem:
        problem.hint = problem.hint or "Look at the audience and the scope."
        raise
    if profile.dpop != "off" and answer.token_type != "DPoP":
        yield from tell(NotBound())
    return Held.of(answer, metadata, profile, program, None, (yield from now()).wall)
