"""The tenant.toml that `keyfob tenant init` writes."""

from typing import Final

EXAMPLE: Final = """\
#:schema ./tenant.schema.json
# A tenant for `keyfob serve tenant.toml`. Every key, with its unit and default: keyfob help docs/tenant.md
# Look for mistakes with `keyfob tenant check`, and see what would change with `keyfob tenant apply --dry-run`.
# Nothing secret stands in this file: secrets and passwords are pointed to, in the environment or in files of their own.

[tenant]
name = "Example"
# issuer = "https://login.example.com/"           # behind https; without it, the address that is served
# wire = "auth0"                                  # or "rfc": whose statuses and texts
default_audience = "https://orders.example/"      # the API meant when a program names none
# device_lifetime = "15m"                         # how long a code waits for a person
# session_idle = "12h"
# mfa = "enrolled"                                # or "never", "always"
# device = { nearness = "step_up" }               # against phishing of device logins: keyfob help docs/phishing.md
# password_length = 15                            # of new passwords; 8 is enough with mfa = "always"
# The password grants take three switches: this one, the grant "password" of an application, and allows_password of a
# connection. The login page always takes passwords.
# allows_password = false
# default_directory = "Username-Password-Authentication"   # the connection of a password grant that names no realm

# A command-line program. It is public: whoever has it can read all that is in it, so it has no secret.
[[applications]]
client_id = "my-cli"
name = "My CLI"
grants = ["device_code", "authorization_code", "refresh_token"]
callbacks = ["http://127.0.0.1/callback"]
any_loopback_port = true                          # the program may listen on any port
refresh = { rotates = true, idle = "30d", absolute = "365d", leeway = "0s" }

# A program without a person. Make its secret with: openssl rand -hex 32
# [[applications]]
# client_id = "nightly"
# name = "Nightly batch"
# kind = "machine"
# grants = ["client_credentials"]
# auth = "client_secret_post"                     # or a list; or "private_key_jwt" with public_keys
# secrets = [{ env = "NIGHTLY_SECRET" }]          # or { file = "nightly.secret" }; two for a change without a gap

[[apis]]
audience = "https://orders.example/"              # compared letter for letter
name = "Orders"
scopes = { "read:orders" = "read your orders", "write:orders" = "place and change orders" }
token_lifetime = "1d"
# algorithm = "RS256"                             # or PS256, ES256, Ed25519
# profile = "auth0"                               # or "rfc9068"
# enforces_permissions = false                    # only the scopes that a person's roles give

# What a program may do as itself.
# [[grants]]
# client_id = "nightly"
# audience = "https://orders.example/"
# scopes = ["read:orders"]

[[roles]]
name = "clerk"
description = "May see all orders"
permissions = { "https://orders.example/" = ["read:orders"] }

# A directory of people. Without any, there is one: Username-Password-Authentication.
# [[connections]]
# name = "Username-Password-Authentication"
# allows_password = false                         # whether the password grants may look here; the login page does

# People stand here, or come with `keyfob tenant users add`. Who is not named here stays as they are.
[[users]]
email = "sam@example.com"
name = "Sam Example"
roles = ["clerk"]
password = { file = "sam.password" }              # or { env = "..." }, or { hash = "$argon2id$..." }
"""
PASSWORD_FILE: Final = "sam.password"  # `keyfob tenant init` writes this file beside tenant.toml
SCHEMA_FILE: Final = "tenant.schema.json"  # `keyfob tenant init` writes this file beside tenant.toml, for editors
