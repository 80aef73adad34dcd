"""What is secret, what is not, and why; decided for every word that travels."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Final, NamedTuple

# What each lets its finder do.
KINDS: Final = {
    "password": "log in as the person",
    "client secret": "log in as the program",
    "private key": "log in as the program, for as long as it is registered; be the server, or make its certificates",
    "assertion": "log in as the program, for a minute",
    "code": "with a stolen verifier, or of a program without one, take the login",
    "code verifier": "with a stolen code, take the login",
    "device code": "take the login that a person is approving",
    "access token": "call APIs as the person",
    "refresh token": "renew the login for months",
    "id token": "tell who the person is; some programs take it as a login",
    "mfa token": "go on with a login whose password was right",
    "one-time code": "pass a second factor, for a minute and a half",
    "out-of-band code": "go on with a second factor that was sent",
    "recovery code": "pass a second factor, once",
    "factor seed": "make one-time codes for ever",
    "proof": "repeat a bound request, if nobody remembers it",
    "proof key": "use tokens that are bound to it",
    "session cookie": "be the person at the pages",
    "mail link": "do what the link of an e-mail does, once: end a login, set a password",
    "form proof": "press the person's buttons from another site, with the cookie",
    "passphrase": "open the vault's key",
    "vault key": "open the vault",
    "master key": "open all that a tenant seals, and make its sessions",
    "signing key": "make tokens of the tenant",
    "hash": "try passwords as fast as one's machine can; good for nothing else",
}

# How each is called on the wire, in forms, JSON, queries and pages.
SECRET_WORDS: Final = {
    "password": "password",
    "client_secret": "client secret",
    "client_assertion": "assertion",
    "assertion": "assertion",
    "code": "code",
    "code_verifier": "code verifier",
    "device_code": "device code",
    "access_token": "access token",
    "refresh_token": "refresh token",
    "token": "refresh token",  # what is revoked: the access token comes by its own name before
    "id_token": "id token",
    "mfa_token": "mfa token",
    "otp": "one-time code",
    "binding_code": "one-time code",
    "oob_code": "out-of-band code",
    "recovery_code": "recovery code",
    "recovery_codes": "recovery code",
    "secret": "factor seed",
    "barcode_uri": "factor seed",
    "csrf": "form proof",
    "link": "mail link",
}

# What anybody may see: what was decided, and why.
PLAIN_WORDS: Final = {
    "it ties an answer to its question and stands in the browser's address; the verifier protects the code":
        "state nonce code_challenge code_challenge_method",
    "it is for reading aloud and proves nothing by itself; who approves logs in first":
        "user_code verification_uri verification_uri_complete",
    "what shows that the tenant wrote an address, or that this session has typed its code; it opens no page to others":
        "proof typed",
    "the number that a page shows is good for the program that has the device code, and three times at most":
        "number number_required number_tries_left",
    "claims that nothing proves": "device_name device_system",
    "names and choices": "client_id client_assertion_type redirect_uri response_type response_mode grant_type "
        "scope audience resource realm username email prompt max_age acr_values login_hint iss button id "
        "authenticator_types "
        "oob_channels authenticator_type binding_method oob_channel name active challenge_type type token_type "
        "token_type_hint expires_in interval error error_description mfa_requirements enroll challenge "
        "authenticator_id",
}  # fmt: skip
PLAIN: Final = frozenset(" ".join(PLAIN_WORDS.values()).split())


class May(NamedTuple):
    """Who may show what, and why. `who` is what was typed, or a path; `*` stands for anything."""

    who: str
    where: str
    kinds: frozenset[str]
    why: str


def _may(who: str, where: str, kinds: str, why: str) -> May:
    return May(who, where, frozenset(kinds.split(", ")), why)


MAY_SAY: Final = (
    _may("token*", "stdout", "access token", "printing it is what the command is for"),
    _may("run *", "environment", "access token", "giving it to the program is what the command is for"),
    _may("serve --port 0", "stdout", "password", "a ready tenant's throw-away person, shown at the first start"),
    _may("demo*", "stdout", "password", "a throw-away person, gone with the demo"),
    _may("tenant apps add *", "stdout", "client secret", "made here, shown this once: it is kept as a hash"),
    _may("tenant users * --generate*", "stdout", "password", "made here, shown this once: it is kept as a hash"),
    _may("tenant export*", "stdout", "hash", "the file makes the same tenant again; its head says to keep it close"),
    _may("login *--flow password*", "stdout", "recovery code", "the old one is spent; the next is shown this once"),
)
MAY_KEEP: Final = (
    _may("home/vault/*", "file", "access token, refresh token, id token, proof key", "here the vault is a file"),
    _may("home/pending/*", "file", "device code, code verifier", "a login that waits, for --resume; gone when it ends"),
    _may("home/quick/*", "file", "access token", "the quick file: never more than what is valid anyway"),
    _may("runtime/keyfob/*", "file", "access token", "the same, in memory"),
    _may("keys/*.key", "file", "master key", "the tenant's, apart from its database"),
    _may("data/master.key", "file", "master key", "of a tenant for development"),
    _may("data/tls/*.key", "file", "private key", "of this machine's own certificates, for --tls"),
    _may("data/outbox/*", "file", "one-time code, mail link", "messages to people, in development"),
    _may("project/export.toml", "file", "hash", "written for its owner alone; its head says to keep it close"),
    _may("data/tenant.sqlite3*", "file", "hash", "a database that leaks must not be a login: hashes, and sealed keys"),
)  # fmt: skip

# Others may read these: certificates are shown to everybody, and what lies in a project is the person's own.
OPEN_FILES: Final = ("data/tls/*.pem", "project/*")


def allowed(table: tuple[May, ...], who: str, where: str) -> frozenset[str]:
    """The kinds that may stand there."""
    return frozenset().union(*(one.kinds for one in table if one.where == where and fnmatch(who, one.who)))
