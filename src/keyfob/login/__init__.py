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
    from keyfob.client.io.http.anonymous import Stranger
    from keyfob.client.io.state.capability_files import LearnedFiles
    from keyfob.client.io.state.origin_files import OriginFiles
    from keyfob.client.io.state.pending_files import PendingFiles
    from keyfob.client.io.vault.seals import Seals
    from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
    from keyfob.client.model.assurance import Assurance
    from keyfob.client.model.certificate import CertificateFiles
    from keyfob.client.model.flow_names import Way
    from keyfob.client.model.notices import (
        ApprovalAwaited,
        BrowserOpened,
        CodeShown,
        DoorChosen,
        DoorRefused,
        FactorRefused,
        LoginElsewhere,
        NetworkTrouble,
        NotBound,
        Notice,
        PasswordWarned,
        PasteAsked,
        PasteRefused,
        RecoveryCodeMade,
        ScopeNarrowed,
        SlowedDown,
        StillPending,
        VaultNote,
    )
    from keyfob.client.model.profile import Dpop, Profile, check_name
    from keyfob.client.model.question import Question
    from keyfob.client.model.source import AssertionAudience, IdentityUse, Source
    from keyfob.client.model.step_up import StepUp
    from keyfob.client.model.storage_choice import PLACES
    from keyfob.client.model.stored_login import Held
    from keyfob.client.session.calls import Calls
    from keyfob.login.app import App, log_to
    from keyfob.login.session import Session
    from keyfob.protocol.http import Request, Response
else:
    __getattr__, __dir__ = shows(
        __name__,
        {
            "keyfob.client.model.assurance": ("Assurance",),
            "keyfob.client.session.calls": ("Calls",),
            "keyfob.client.model.certificate": ("CertificateFiles",),
            "keyfob.client.model.stored_login": ("Held",),
            "keyfob.client.io.state.capability_files": ("LearnedFiles",),
            "keyfob.client.io.state.origin_files": ("OriginFiles",),
            "keyfob.client.io.state.pending_files": ("PendingFiles",),
            "keyfob.client.io.vault.seals": ("Seals",),
            "keyfob.client.io.http.anonymous": ("Stranger",),
            "keyfob.client.io.vault.vault_file": ("FileVault", "ProfileFiles"),
            "keyfob.client.model.storage_choice": ("PLACES",),
            "keyfob.client.flows.logout": ("LoggedOut",),
            "keyfob.client.model.notices": (
                "ApprovalAwaited",
                "BrowserOpened",
                "CodeShown",
                "DoorChosen",
                "DoorRefused",
                "FactorRefused",
                "LoginElsewhere",
                "NetworkTrouble",
                "NotBound",
                "Notice",
                "PasswordWarned",
                "PasteAsked",
                "PasteRefused",
                "RecoveryCodeMade",
                "ScopeNarrowed",
                "SlowedDown",
                "StillPending",
                "VaultNote",
            ),
            "keyfob.client.model.profile": ("Dpop", "Profile", "check_name"),
            "keyfob.client.model.question": ("Question",),
            "keyfob.client.model.source": ("AssertionAudience", "IdentityUse", "Source"),
            "keyfob.client.model.step_up": ("StepUp",),
            "keyfob.client.model.flow_names": ("Way",),
            "keyfob.login.app": ("App", "log_to"),
            "keyfob.login.session": ("Session",),
            "keyfob.protocol.http": ("Request", "Response"),
        },
    )

__all__ = [
    "PLACES",
    "App",
    "ApprovalAwaited",
    "AssertionAudience",
    "Assurance",
    "BrowserOpened",
    "Calls",
    "CertificateFiles",
    "CodeShown",
    "DoorChosen",
    "DoorRefused",
    "Dpop",
    "FactorRefused",
    "FileVault",
    "Held",
    "IdentityUse",
    "LearnedFiles",
    "LoggedOut",
    "LoginElsewhere",
    "NetworkTrouble",
    "NotBound",
    "Notice",
    "OriginFiles",
    "PasswordWarned",
    "PasteAsked",
    "PasteRefused",
    "PendingFiles",
    "Profile",
    "ProfileFiles",
    "Question",
    "RecoveryCodeMade",
    "Request",
    "Response",
    "ScopeNarrowed",
    "Seals",
    "Session",
    "SlowedDown",
    "Source",
    "StepUp",
    "StillPending",
    "Stranger",
    "VaultNote",
    "Way",
    "check_name",
    "log_to",
]
