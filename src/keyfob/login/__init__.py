"""Door: a program that wants a token.

from keyfob.login import App

app = App(issuer="https://login.example.com/", client_id="...", audience="https://api.example.com")
app.log_in()                     # by this machine's browser, or by a code on any device
app.session().token()            # a valid access token, or LoginRequired
app.session().http().get(...)    # an httpx2.Client that brings the token, and renews it
requests.get(..., auth=app.session().auth_for_requests())    # and the like for httpx and aiohttp
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.lazy import shows

if TYPE_CHECKING:
    from keyfob.client.flows.logout import LoggedOut
    from keyfob.client.model.assurance import Assurance
    from keyfob.client.model.flow_names import Way
    from keyfob.client.model.notices import BrowserOpened, CodeShown, Notice, PasteAsked
    from keyfob.client.model.profile import Profile
    from keyfob.client.model.question import Question
    from keyfob.client.model.source import Source
    from keyfob.client.model.step_up import StepUp
    from keyfob.client.model.stored_login import Held
    from keyfob.client.session.calls import Calls
    from keyfob.login.app import App, log_to
    from keyfob.login.session import Session
else:
    __getattr__, __dir__ = shows(
        __name__,
        {
            "keyfob.client.flows.logout": ("LoggedOut",),
            "keyfob.client.model.assurance": ("Assurance",),
            "keyfob.client.model.flow_names": ("Way",),
            "keyfob.client.model.notices": (
                "BrowserOpened",
                "CodeShown",
                "Notice",
                "PasteAsked",
            ),
            "keyfob.client.model.profile": ("Profile",),
            "keyfob.client.model.question": ("Question",),
            "keyfob.client.model.source": ("Source",),
            "keyfob.client.model.step_up": ("StepUp",),
            "keyfob.client.model.stored_login": ("Held",),
            "keyfob.client.session.calls": ("Calls",),
            "keyfob.login.app": (
                "App",
                "log_to",
            ),
            "keyfob.login.session": ("Session",),
        },
    )

__all__ = [
    "App",
    "Assurance",
    "BrowserOpened",
    "Calls",
    "CodeShown",
    "Held",
    "LoggedOut",
    "Notice",
    "PasteAsked",
    "Profile",
    "Question",
    "Session",
    "Source",
    "StepUp",
    "Way",
    "log_to",
]
