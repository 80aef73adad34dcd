"""A login client for command-line programs.

from keyfob.login import App

app = App(issuer="https://login.example.com/", client_id="...", audience="https://api.example.com")
app.log_in()                     # in this machine's browser, or with a code on any device
app.session().token()            # a valid access token, or LoginRequired
app.session().http().get(...)    # an httpx2.Client that sends the token, and renews it
requests.get(..., auth=app.session().auth_for_requests())    # likewise for httpx and aiohttp
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.lazy import shows

# The public names. `X as X` tells type checkers that a name is public; at run time each is loaded on first use.
if TYPE_CHECKING:
    from keyfob.client.flows.logout import LoggedOut as LoggedOut
    from keyfob.client.model.assurance import Assurance as Assurance
    from keyfob.client.model.notices import BrowserOpened as BrowserOpened
    from keyfob.client.model.notices import CodeShown as CodeShown
    from keyfob.client.model.notices import Notice as Notice
    from keyfob.client.model.notices import PasteAsked as PasteAsked
    from keyfob.client.model.profile import FlowName as FlowName
    from keyfob.client.model.profile import Profile as Profile
    from keyfob.client.model.source import Source as Source
    from keyfob.client.model.step_up import StepUp as StepUp
    from keyfob.client.model.stored_login import StoredLogin as StoredLogin
    from keyfob.client.ports import Question as Question
    from keyfob.client.session.calls import Calls as Calls
    from keyfob.io.redacting import log_to as log_to
    from keyfob.login.app import App as App
    from keyfob.login.session import Session as Session
else:
    _LAZY = {
        "keyfob.client.flows.logout": ("LoggedOut",),
        "keyfob.client.model.assurance": ("Assurance",),
        "keyfob.client.model.notices": (
            "BrowserOpened",
            "CodeShown",
            "Notice",
            "PasteAsked",
        ),
        "keyfob.client.model.profile": ("FlowName", "Profile"),
        "keyfob.client.ports": ("Question",),
        "keyfob.client.model.source": ("Source",),
        "keyfob.client.model.step_up": ("StepUp",),
        "keyfob.client.model.stored_login": ("StoredLogin",),
        "keyfob.client.session.calls": ("Calls",),
        "keyfob.io.redacting": ("log_to",),
        "keyfob.login.app": ("App",),
        "keyfob.login.session": ("Session",),
    }
    __getattr__, __dir__ = shows(__name__, _LAZY)
    __all__ = [name for names in _LAZY.values() for name in names]
