"""Authlib's generator of RFC 9068 tokens, its keys and metadata on this machine; the test judges while it runs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import ECKey, KeySet, RSAKey
from talk import ask, perform


class Client:
    """A program as Authlib's server wants one."""

    def get_client_id(self):
        return "machine"

    def get_allowed_scope(self, scope):
        return scope


class Person:
    """A person as Authlib's server wants one."""

    def get_user_id(self):
        return "person"


def mint(audience, **_):
    keys = {"RS256": RSAKey.generate_key(2048, {"kid": "rsa"}), "ES256": ECKey.generate_key("P-256", {"kid": "ec"})}
    published = KeySet(list(keys.values())).as_dict(private=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            metadata = {"issuer": issuer, "token_endpoint": f"{issuer}/token", "jwks_uri": f"{issuer}/jwks.json"}
            body = json.dumps(published if self.path == "/jwks.json" else metadata).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def token(alg, user, scope):
        class Generator(JWTBearerTokenGenerator):
            def get_jwks(self):
                return keys[alg]

            def get_audiences(self, *_):
                return [audience]

        return Generator(issuer, alg)("client_credentials", Client(), user, scope, 3600)["access_token"]

    tokens = {
        "RS256": token("RS256", None, "read:orders"),
        "ES256": token("ES256", None, "read:orders"),
        "unscoped": token("RS256", None, "profile"),
        "person": token("RS256", Person(), "read:orders"),
    }
    return ask("judge", issuer=issuer, tokens=tokens)


perform({"mint": mint}, lambda _: {})
