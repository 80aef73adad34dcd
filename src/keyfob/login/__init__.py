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
    from keyfob.client.assurance import Assurance
    from keyfob.client.calls import Calls
    from keyfob.client.certificate import CertificateFiles
    from keyfob.client.held import Held
    from keyfob.client.io.learned_files import LearnedFiles
    from keyfob.client.io.origin_files import OriginFiles
    from keyfob.client.io.pending_files import PendingFiles
    from keyfob.client.io.seals import Seals
    from keyfob.client.io.stranger import Stranger
    from keyfob.client.io.vault_file import FileVault, ProfileFiles
    from keyfob.client.keeping import PLACES
    from keyfob.client.logout_flow import LoggedOut
    from keyfob.client.notices import (
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
    from keyfob.client.profile import Dpop, Profile, check_name
    from keyfob.client.question import Question
    from keyfob.client.source import AssertionAudience, IdentityUse, Source
    from keyfob.client.step_up import StepUp
    from keyfob.client.ways import Way
    from keyfob.login.app import App, log_to
    from keyfob.login.session import Session
    from keyfob.protocol.http import Request, Response
else:
    __getattr__, __dir__ = shows(
        __name__,
        {
            "keyfob.client.assurance": ("Assurance",),
            "keyfob.client.calls": ("Calls",),
            "keyfob.client.certificate": ("CertificateFiles",),
            "keyfob.client.held": ("Held",),
            "keyfob.client.io.learned_files": ("LearnedFiles",),
            "keyfob.client.io.origin_files": ("OriginFiles",),
            "keyfob.client.io.pending_files": ("PendingFiles",),
            "keyfob.client.io.seals": ("Seals",),
            "keyfob.client.io.stranger": ("Stranger",),
            "keyfob.client.io.vault_file": ("FileVault", "ProfileFiles"),
            "keyfob.client.keeping": ("PLACES",),
            "keyfob.client.logout_flow": ("LoggedOut",),
            "keyfob.client.notices": (
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
            "keyfob.client.profile": ("Dpop", "Profile", "check_name"),
            "keyfob.client.question": ("Question",),
            "keyfob.client.source": ("AssertionAudience", "IdentityUse", "Source"),
            "keyfob.client.step_up": ("StepUp",),
            "keyfob.client.ways": ("Way",),
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
