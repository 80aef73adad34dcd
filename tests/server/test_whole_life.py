"""Random lives of a tenant: one code gives one token, a reused token ends its family, a restart forgets neither."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from keyfob.protocol.grants import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.http import Request, Response, form_request
from keyfob.protocol.pkce import challenge_of
from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant, ready_config
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.pair import Pair
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, quick_passwords
from keyfob.testing.surroundings import FakeSurroundings

Code = tuple[str, str]
CALLBACK = "http://127.0.0.1:8484/callback"
VERIFIER = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
READY = ready_config(ISSUER)
CONFIG = replace(
    READY,
    guess_odds=2**-20,  # with the usual odds, a user must log in before typing a code while more than five are pending
    applications=tuple(
        replace(one, grants=(*one.grants, AUTHORIZATION_CODE), callbacks=(CALLBACK,)) for one in READY.applications
    ),
)


class Life(RuleBasedStateMachine):
    """A tenant on disk and everybody who uses it, through its pages and its endpoints."""

    pending: Bundle[Code] = Bundle("pending")
    approved: Bundle[Code] = Bundle("approved")
    denied: Bundle[Code] = Bundle("denied")
    codes: Bundle[str] = Bundle("codes")
    families: Bundle[int] = Bundle("families")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = FakeSurroundings()
        self.tokens: list[list[str]] = []
        self.ended: list[bool] = []
        self.given: set[Code] = set()
        self.by_code: dict[str, int] = {}
        self.open()
        asyncio.run(self.tenant.add_user(EMAIL, Secret(PASSWORD), "Pat"))

    def open(self) -> None:
        store = SqliteStore(Path(self.folder.name) / "tenant.sqlite3")
        made = Tenant.create(
            CONFIG,
            store=store,
            master=b"m" * 32,
            surroundings=self.world,
            passwords=quick_passwords(),
            audit=lambda _: None,
        )
        self.tenant = asyncio.run(made)
        self.pair = Pair({"https://login.example": self.tenant.app})

    def post(self, path: str, **parameters: str) -> Response:
        return self.pair.send(form_request(f"{ISSUER}{path}", {"client_id": READY_CLIENT_ID, **parameters}))

    def poll(self, code: Code) -> Response:
        return self.post("oauth/token", grant_type=DEVICE_CODE, device_code=code[0])

    def refresh_with(self, token: str) -> Response:
        return self.post("oauth/token", grant_type=REFRESH_TOKEN, refresh_token=token)

    def at(self, code: Code) -> Person:
        person = Person(self.pair.send)
        person.open(f"{ISSUER}activate?user_code={code[1]}")
        return person

    @rule(target=pending)
    def begin(self) -> Code:
        answer = json.loads(self.post("oauth/device/code", scope="offline_access").body)
        return answer["device_code"], answer["user_code"]

    @rule(target=approved, code=consumes(pending))
    def approve(self, code: Code) -> Code:
        person = self.at(code)
        person.press("confirm")
        person.press("login", email=EMAIL, password=PASSWORD)
        assert "logged in" in person.page.text
        return code

    @rule(target=denied, code=consumes(pending))
    def deny(self, code: Code) -> Code:
        self.at(code).press("decline")
        return code

    @rule(code=pending)
    def poll_pending(self, code: Code) -> None:
        assert json.loads(self.poll(code).body)["error"] in {"authorization_pending", "slow_down"}

    @rule(code=denied)
    def poll_denied(self, code: Code) -> None:
        assert json.loads(self.poll(code).body)["error"] == "access_denied"

    @rule(target=families, code=approved)
    def poll_approved(self, code: Code) -> int | MultipleResults[int]:
        answer = self.poll(code)
        assert (answer.status == 200) == (code not in self.given)
        if answer.status != 200:
            return multiple()
        self.given.add(code)
        self.tokens.append([json.loads(answer.body)["refresh_token"]])
        self.ended.append(False)
        return len(self.tokens) - 1

    @rule(target=codes)
    def let_in_by_browser(self) -> str:
        """Through /authorize; gives the code."""
        found: list[str] = []

        def send(request: Request) -> Response:
            if request.url.startswith(CALLBACK):
                found.append(parse_qs(urlsplit(request.url).query)["code"][0])
                return Response(200)
            return self.pair.send(request)

        person = Person(send)
        asked = {"client_id": READY_CLIENT_ID, "redirect_uri": CALLBACK, "response_type": "code"}
        challenge = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
        person.open(f"{ISSUER}authorize?{urlencode({**asked, **challenge, 'scope': 'offline_access'})}")
        person.press("login", email=EMAIL, password=PASSWORD)
        if not found:
            person.press("approve")
        return found[0]

    @rule(target=families, code=codes)
    def redeem(self, code: str) -> int | MultipleResults[int]:
        """Once; a second time ends what came of the first."""
        shown = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER.reveal()}
        answer = self.post("oauth/token", grant_type=AUTHORIZATION_CODE, **shown)
        if answer.status != 200:
            if code in self.by_code:
                self.ended[self.by_code[code]] = True
            return multiple()
        assert code not in self.by_code
        self.by_code[code] = len(self.tokens)
        self.tokens.append([json.loads(answer.body)["refresh_token"]])
        self.ended.append(False)
        return len(self.tokens) - 1

    @rule(code=codes)
    def guess_at_a_code(self, code: str) -> None:
        """Without its verifier it gives nothing, and ends nothing."""
        shown = {"code": code, "redirect_uri": CALLBACK, "code_verifier": "x" * 43}
        assert self.post("oauth/token", grant_type=AUTHORIZATION_CODE, **shown).status == 403

    @rule(family=families)
    def refresh(self, family: int) -> None:
        answer = self.refresh_with(self.tokens[family][-1])
        assert (answer.status == 200) != self.ended[family]
        if answer.status == 200:
            self.tokens[family].append(json.loads(answer.body)["refresh_token"])

    @rule(family=families)
    def lose_an_answer(self, family: int) -> None:
        """The program never got the newest token, and shows the one before again."""
        assert (self.refresh_with(self.tokens[family][-1]).status == 200) != self.ended[family]
        self.refresh(family)

    @rule(family=families, age=st.integers(2, 5))
    def reuse(self, family: int, age: int) -> None:
        if len(self.tokens[family]) > age:
            assert self.refresh_with(self.tokens[family][-1 - age]).status == 403
            self.ended[family] = True

    @rule(family=families)
    def revoke(self, family: int) -> None:
        assert self.post("oauth/revoke", token=self.tokens[family][0]).status == 200
        self.ended[family] = True

    @rule()
    def restart(self) -> None:
        self.tenant.close()
        self.open()

    @rule(seconds=st.integers(0, 6))
    def wait(self, seconds: int) -> None:
        self.world.go(timedelta(seconds=seconds))

    @invariant()
    def it_is_well(self) -> None:
        assert self.pair.send(Request("GET", f"{ISSUER}healthz")).status == 200

    def teardown(self) -> None:
        self.tenant.close()
        self.folder.cleanup()


def test_whatever_happens_one_code_gives_one_token_and_a_reused_token_ends_its_family() -> None:
    """[AS-9700-13] [AS-8628-05] [AS-6749-28]."""
    run_state_machine_as_test(Life, settings=settings(max_examples=12, stateful_step_count=30, deadline=None))
