"""curl, with the command lines of Auth0's documentation. What fails shows as a status and a body, as at a desk."""

import json
import shutil
import subprocess
import time

from talk import ask, perform


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(body)
        self.status = status
        self.error = json.loads(body).get("error") if body.startswith("{") else None


def curl(*words):
    line = [
        shutil.which("curl"),
        "--disable",
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--write-out",
        "\n%{http_code}",
    ]
    done = subprocess.run([*line, *words], capture_output=True, text=True, check=True, encoding="utf-8")
    body, _, status = done.stdout.rpartition("\n")
    if int(status) >= 400:
        raise Refused(int(status), body)
    return json.loads(body) if body else {}


def post(url, *words, **fields):
    data = [part for name, value in fields.items() if value for part in ("--data-urlencode", f"{name}={value}")]
    return curl(
        "--request", "POST", "--url", url, "--header", "content-type: application/x-www-form-urlencoded", *words, *data
    )


def proof(client_id, method=None, secret=None):
    """As words of the command line, and as fields."""
    if method == "client_secret_basic":
        return ("--user", f"{client_id}:{secret}"), {}
    return (), {"client_id": client_id, "client_secret": secret}


def device(issuer, client_id, scope, audience, **_):
    codes = post(f"{issuer}oauth/device/code", client_id=client_id, scope=scope, audience=audience)
    ask("device", **codes)
    interval = codes["interval"]
    fields = {"client_id": client_id, "device_code": codes["device_code"]}
    while True:
        try:
            return post(f"{issuer}oauth/token", grant_type="urn:ietf:params:oauth:grant-type:device_code", **fields)
        except Refused as problem:
            if problem.error == "slow_down":
                interval += 5
            elif problem.error != "authorization_pending":
                raise
        time.sleep(interval)


def token(issuer, grant_type, client_id, method=None, secret=None, **fields):
    words, more = proof(client_id, method, secret)
    return post(f"{issuer}oauth/token", *words, grant_type=grant_type, **more, **fields)


def credentials(audience, scope=None, **told):
    return token(grant_type="client_credentials", audience=audience, scope=scope, **told)


def password(realm=None, **told):
    kind = "http://auth0.com/oauth/grant-type/password-realm" if realm else "password"
    return token(grant_type=kind, realm=realm, **told)


def refresh(more=None, **told):
    return token(grant_type="refresh_token", **(more or {}), **told)


def revoke(issuer, token, client_id, method=None, secret=None):
    # Auth0's page shows JSON here.
    told = {"client_id": client_id, "client_secret": secret, "token": token}
    body = json.dumps({name: value for name, value in told.items() if value})
    header = "content-type: application/json"
    return {"body": curl("--request", "POST", "--url", f"{issuer}oauth/revoke", "--header", header, "--data", body)}


def userinfo(issuer, token, **_):
    return curl("--request", "GET", "--url", f"{issuer}userinfo", "--header", f"Authorization: Bearer {token}")


FLOWS = {
    "device": device, "credentials": credentials, "password": password, "refresh": refresh, "revoke": revoke,
    "userinfo": userinfo,
}  # fmt: skip

perform(FLOWS, lambda problem: {"error": getattr(problem, "error", None), "status": getattr(problem, "status", None)})
