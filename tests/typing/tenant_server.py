"""What a program writes with `keyfob.serve`, for mypy and pyright; see login_client.py."""

from pathlib import Path
from typing import assert_type

from keyfob.protocol.secret import Secret
from keyfob.serve import (
    Api,
    Application,
    FolderOutbox,
    MailServer,
    Registry,
    Running,
    SmtpMailer,
    Tenant,
    TenantConfig,
    bind,
    default_folder,
    ready_config,
    run,
    tls_files,
    url_of,
)
from keyfob.server.io.registry import new_client_secret

listener = bind("127.0.0.1", 0)
folder = default_folder()
assert_type(folder, Path)
config = ready_config(url_of(listener))
assert_type(config, TenantConfig)
tenant = Tenant.open(folder, config, with_first_user=True)
if tenant.first_user is not None:
    assert_type(tenant.first_user.password, Secret)
post = SmtpMailer(MailServer("mail.example.com", 587, user="post"), "no-reply@example.com", Secret("a password"))
Tenant.open(folder, config, mailer=post)
Tenant.open(folder, config, mailer=FolderOutbox(folder / "outbox"))
running = Running(tenant.app, listener, tls_files(folder))
assert_type(running.url, str)
running.stop()
with Registry.open(folder) as registry:
    assert_type(registry.config(), TenantConfig)
assert_type(new_client_secret(), Secret)
Application("ci", "CI", "machine", ("client_credentials",), ("client_secret_post",), (new_client_secret(),))
Api("https://api.example.com", "Orders", {"read:orders": "read your orders"})
run(tenant, listener)

ready_config(url_of(listener), "okta")  # type: ignore[arg-type]  # wires are "auth0" and "rfc"
MailServer("mail.example.com", 587, "tls")  # type: ignore[arg-type]  # "starttls", "implicit" or "none"
SmtpMailer(MailServer("mail.example.com", 587), "a@example.com", "s3cret")  # type: ignore[arg-type]  # a Secret
Tenant.open("data", config)  # type: ignore[arg-type]  # a Path
Application("ci", "CI", "robot")  # type: ignore[arg-type]  # no such kind
Application("ci", "CI", secrets=("s3cret",))  # type: ignore[arg-type]  # secrets are Secret
run(tenant.app, listener)  # type: ignore[arg-type]  # the Tenant, which `run` closes
run(tenant, 8790)  # type: ignore[arg-type]  # a bound socket
config.issuer = "https://login.example.com/"  # type: ignore[misc]  # settings are immutable
email: str = tenant.first_user.email  # type: ignore[union-attr]  # only a new folder has a first user
