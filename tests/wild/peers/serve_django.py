"""PyPI's django-oauth-toolkit with its own pages: a server that keyfob logs in at.

Told in one argument of JSON: secret, plus (another). Prints one line of JSON once it listens; ends when nobody holds
its stdin any more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.urls import include, path
from jwcrypto.jwk import JWK

TOOLKIT = "oauth2_provider.urls"
CODE = "authorization-code"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
MACHINE = "client-credentials"
LOGIN = '<form method="post">{% csrf_token %}{{ form }}<button type="submit">Log in</button></form>'


class Quiet(WSGIRequestHandler):
    """Says nothing of each request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is wsgiref's
        """Say nothing."""


def configure(issuer: str) -> None:
    """Django's settings; one thread, and all in its memory."""
    signing = JWK.generate(kty="RSA", size=2048).export_to_pem(private_key=True, password=None).decode()
    parts = ("auth", "contenttypes", "sessions", "staticfiles")
    middle = ("sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware")
    templates = {"registration/login.html": LOGIN}
    settings.configure(
        SECRET_KEY="only for this process",
        ALLOWED_HOSTS=["127.0.0.1"],
        USE_TZ=True,
        STATIC_URL="/static/",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "sessions": None, "oauth2_provider": None},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=[*(f"django.contrib.{part}" for part in parts), "oauth2_provider"],
        MIDDLEWARE=[*(f"django.contrib.{part}" for part in middle), "django.middleware.csrf.CsrfViewMiddleware"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": ["django.contrib.auth.context_processors.auth"],
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", templates),
                        "django.template.loaders.app_directories.Loader",
                    ],
                },
            }
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": issuer,
            "OIDC_RSA_PRIVATE_KEY": signing,
            "OAUTH_DEVICE_VERIFICATION_URI": f"{issuer}/device/",
            "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": lambda code: f"{issuer}/device/?user_code={code}",
            "DEVICE_FLOW_INTERVAL": 1,
            "SCOPES": {
                "openid": "know who you are",
                "profile": "see your profile",
                "email": "see your e-mail address",
                "offline_access": "stay logged in",
                "orders": "see your orders",
            },
            "DEFAULT_SCOPES": ["openid"],
        },
    )


def register(secret: str, plus: str) -> None:
    """A person, and a program of every kind; each may have one grant."""
    from django.contrib.auth.models import User  # models want settings first
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", run_syncdb=True, verbosity=0)
    User.objects.create_user("person", "person@example.com", "correct horse battery staple")
    programs = (
        ("native", "public", DEVICE),
        ("native-code", "public", CODE),
        ("confidential", "confidential", DEVICE),
        ("confidential-code", "confidential", CODE),
        ("basic", "confidential", MACHINE),
        ("plus", "confidential", MACHINE),
    )
    for name, kind, grant in programs:
        Application.objects.create(
            client_id=name,
            name=name,
            client_type=kind,
            authorization_grant_type=grant,
            client_secret=plus if name == "plus" else secret,
            redirect_uris="http://127.0.0.1/callback",
            algorithm="RS256",
        )


def main(told: dict[str, str]) -> None:
    """Serve."""
    server = make_server("127.0.0.1", 0, None, handler_class=Quiet)
    issuer = f"http://127.0.0.1:{server.server_port}/o"
    configure(issuer)
    django.setup()
    settings.ROOT_URLCONF = (path("accounts/", include("django.contrib.auth.urls")), path("o/", include(TOOLKIT)))
    register(told["secret"], told["plus"])
    server.set_app(WSGIHandler())
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(json.dumps({"issuer": issuer}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
