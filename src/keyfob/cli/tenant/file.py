"""`keyfob tenant init`, `schema`, `check`, `apply`, `export` and `import`: write, check and apply a tenant.toml."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

from keyfob.cli import help as pages
from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.tenant import folder
from keyfob.cli.tenant.example import EXAMPLE, PASSWORD_FILE, SCHEMA_FILE
from keyfob.errors import Misuse
from keyfob.protocol.grants import PASSWORD, PASSWORD_REALM
from keyfob.server.settings.auth0_export import convert
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.toml import write_toml
from keyfob.server.settings.users import write_person

_PASSWORD_BYTES: Final = 15
_HEAD: Final = """\
# Written by `keyfob tenant export`. No secret stands here in clear.
#   keyed   a client secret, hashed under a key of this tenant: good in this tenant only. Elsewhere, point to the
#           secret itself: { env = "NAME" } or { file = "PATH" }.
#   hash    a password, hashed with Argon2id: good everywhere. Who has it can try passwords, so keep this file close.

"""


def configure_init(parser: ArgumentParser) -> None:
    _add_file(parser)


def init(flags: Namespace) -> int:
    folder.write_text(flags.file, EXAMPLE)
    password = flags.file.with_name(PASSWORD_FILE)
    if not password.exists():
        folder.write_text(password, f"{secrets.token_urlsafe(_PASSWORD_BYTES)}\n", is_private=True)
    for_editors = flags.file.with_name(SCHEMA_FILE)
    if not for_editors.exists():
        folder.write_text(for_editors, pages.read_file(SCHEMA_FILE))
    output.remark(f"wrote {flags.file}, {for_editors} for editors, and the password of sam@example.com in {password}")
    output.detail(f"Next: keyfob serve {flags.file}")
    return DONE


def configure_schema(parser: ArgumentParser) -> None:
    _add_output(parser)


def schema(flags: Namespace) -> int:
    _write_output(flags, pages.read_file(SCHEMA_FILE))
    return DONE


def configure_check(parser: ArgumentParser) -> None:
    _add_file(parser)
    parser.add_argument("--no-secrets", action="store_true", help="do not check whether the referenced secrets exist")
    add_json_flag(parser)


def check(flags: Namespace) -> int:
    found = folder.load(flags.file, looks_at_secrets=not flags.no_secrets, as_json=flags.json)
    config = found.config
    counts = {
        "applications": len(config.applications),
        "apis": len(config.apis),
        "grants": len(config.grants),
        "roles": len(config.roles),
        "connections": len(config.connections),
        "users": len(found.people),
    }
    if flags.json:
        output.result_object({"file": str(flags.file), **counts})
    else:
        output.result(f"{flags.file} has no mistakes: " + ", ".join(map(_counted, counts.items())))
        _remark_password_clients(config.password_users())
        for line in password_gaps(config):
            output.remark(line)
    return DONE


def configure_apply(parser: ArgumentParser) -> None:
    _add_file(parser)
    folder.add_data_flag(parser)
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    folder.add_yes_flag(parser)


def apply(flags: Namespace) -> int:
    from keyfob.serve import Registry  # noqa: PLC0415  needs the extra serve; --help does not
    from keyfob.server.io.stores import is_tenant  # noqa: PLC0415  as above

    found = folder.load(flags.file)
    is_new = not is_tenant(folder.folder_of(flags), folder.database_of(flags))
    with Registry.empty() if is_new and flags.dry_run else folder.registry_of(flags, creates=True) as registry:
        plan = registry.plan_file(found)
        folder.show(plan)
        if not plan.changes:
            output.remark("there is nothing to change")
        elif flags.dry_run:
            output.remark("nothing was changed: this was a dry run")
        else:
            folder.carry_out(registry, plan, yes=flags.yes)
            output.remark("applied; a running tenant uses the new settings within two seconds")
    _remark_password_clients(found.config.password_users())
    return DONE


def configure_export(parser: ArgumentParser) -> None:
    folder.add_data_flag(parser)
    _add_output(parser)


def export(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        tables = registry.tables()
        people = [write_person(user) for user in registry.users()]
    _write_output(flags, _HEAD + write_toml({**tables, **({"users": people} if people else {})}), is_private=True)
    return DONE


def configure_import(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.yaml", help="the export of auth0-deploy-cli, in YAML")
    _add_output(parser)


def import_auth0(flags: Namespace) -> int:
    try:
        tables, left = convert(_read_yaml(flags.file))
    except UnicodeEncodeError:
        raise Misuse(f"{flags.file} contains an incomplete character", hint="Look for \\ud8.. in it.") from None
    for line in left:
        output.remark(f"left out: {line}")
    _write_output(flags, f"# From an Auth0 tenant, by `keyfob tenant import`.\n\n{write_toml(tables)}")
    return DONE


def _read_yaml(path: Path) -> dict[str, object]:
    import yaml  # noqa: PLC0415  needs the extra serve, and only `import` needs it

    hint = "Export with: auth0-deploy-cli export --format=yaml. Replace placeholders such as @@NAME@@ first."
    try:
        found: object = yaml.safe_load(folder.read_text(path))
    except yaml.MarkedYAMLError as wrong:
        line = f":{wrong.problem_mark.line + 1}" if wrong.problem_mark else ""
        raise Misuse(f"{path}{line}: this is not YAML", hint=hint) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Misuse(f"{path} is not YAML", hint=hint) from None
    if not isinstance(found, dict):
        raise Misuse(f"{path} contains no tenant", hint=hint)
    return {str(name): value for name, value in cast("dict[object, object]", found).items()}


def _write_output(flags: Namespace, text: str, *, is_private: bool = False) -> None:
    if flags.output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        folder.write_text(flags.output, text, is_private=is_private)
        output.remark(f"wrote {flags.output}")


def _counted(item: tuple[str, int]) -> str:
    name, number = item
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def password_gaps(config: TenantConfig) -> Iterator[str]:
    """Yield what is missing for the password grant: one text for each client that has the grant but cannot use it yet.

    The text names the next setting to add. If the tenant or a connection allows the password grant, but no client has
    it, yield one text that says so.
    """
    allowing = {one.name for one in config.connections if one.allows_password}
    having = [one for one in config.applications if {PASSWORD, PASSWORD_REALM} & set(one.grants)]
    if not having and (allowing or config.allows_password):
        yield 'no application can use the password grants yet; next: add "password" to its grants'
    for one in having:
        names = ", ".join(one.connections) or "none"
        missing = ""
        if not config.allows_password:
            missing = "allows_password = true in [tenant]"
        elif not allowing & set(one.connections):
            missing = f"allows_password = true in the [[connections]] of one of its connections ({names})"
        elif PASSWORD in one.grants and config.default_directory is None:
            missing = "default_directory in [tenant], or a realm in the client's request"
        elif PASSWORD in one.grants and config.default_directory not in allowing & set(one.connections):
            missing = f"a default_directory that is one of its connections ({names}) and allows passwords"
        if missing:
            yield f"{one.client_id} cannot use the password grant yet; next: {missing}"


def _remark_password_clients(names: tuple[str, ...]) -> None:
    if names:
        output.remark(f"these applications may use the password grants: {', '.join(names)}")


def _add_file(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("tenant.toml"), metavar="FILE", help="default: tenant.toml"
    )


def _add_output(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="a new file for the output (default: stdout)")
