"""`keyfob tenant keys`: show and rotate the signing keys, and replace the master key."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, duration
from keyfob.cli.tenant import folder
from keyfob.errors import Misuse
from keyfob.jose.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob.server.decide.key_schedule import Changes
    from keyfob.server.records import StoredKey

_FETCHED_AT_ONCE = "keyfob's guard and most libraries fetch an unknown key at once."


def configure_list(parser: ArgumentParser) -> None:
    folder.add_data_flag(parser)
    add_json_flag(parser)


def configure_rotate(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--algorithm", action="append", choices=ALGORITHMS, help="the algorithm; repeatable (default: all)"
    )
    parser.add_argument("--now", action="store_true", help="for an emergency: the next key signs at once")
    configure_list(parser)


def configure_rehearse(parser: ArgumentParser) -> None:
    configure_rotate(parser)
    parser.add_argument(
        "--cache",
        default="10h",
        metavar="TIME",
        help=(
            "how long your APIs cache the keys without fetching an unknown one (default: 10h, as in "
            "Auth0's SDK for Node)"
        ),
    )


def configure_revoke(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KID")
    folder.add_yes_flag(parser)
    configure_list(parser)
    parser.epilog = (
        "Use this if a key was stolen. The key is removed at once, and this server refuses "
        "every token that it has signed. An API refuses them once its cached keys expire: "
        "keyfob's guard after 5 minutes, with Introspection(every=True) after 30 seconds. "
        "Restart other APIs. Logins continue: a refresh issues tokens of the next key."
    )


def configure_rewrap(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        metavar="SOURCE",
        help=(
            "the new master key, as for --master-key; a file is created if it does not exist "
            "(default: a file outside the data folder)"
        ),
    )
    parser.add_argument(
        "--grace",
        default="1d",
        metavar="TIME",
        help=(
            "how long the old key is still accepted, until every node has the new one (default: "
            "1d); 0s if it was stolen"
        ),
    )
    configure_list(parser)


def list_all(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        keys, now = registry.keys.all(), registry.keys.now()
    _print_keys(flags, keys, now)
    return DONE


def rotate(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        now, chosen = registry.keys.now(), tuple(flags.algorithm or ())
        before = registry.keys.all()
        after = registry.keys.rotate(chosen, at_once=flags.now)
        if after != before:
            words = "sign" if flags.now else "are announced"
            registry.note("sapi", description=f"signing keys: the next ones {words}")
    if after == before:
        output.remark("the next key is already announced; it will sign when its time comes, or at once with --now")
    _print_keys(flags, after, now)
    if flags.now:
        output.remark(
            f"APIs with older cached keys refuse new tokens until they fetch the keys again. {_FETCHED_AT_ONCE}"
        )
    return DONE


def rehearse(flags: Namespace) -> int:
    """Print the steps of a rotation that would start now, and whether APIs would fetch the new keys in time."""
    from keyfob.server.decide.key_schedule import timeline, unknown_until  # noqa: PLC0415  needs the extra serve

    cache = duration(flags.cache, "--cache")
    with folder.registry_of(flags) as registry:
        keys, now = registry.keys.all(), registry.keys.now()
        changes = registry.keys.plan_rotation(flags.algorithm or (), at_once=flags.now)
    after = _imagined(keys, changes, now)
    for step in timeline(after, now):
        members = {"at": output.instant(step.at), "key": step.key_id, "algorithm": step.algorithm, "stage": step.stage}
        if flags.json:
            output.result_object(members)
        else:
            output.result(f"{members['at']}  {step.algorithm:<8}  {step.key_id:<43}  {step.stage}")
    late = {one.key_id: unknown_until(one, cache) for one in after if one.signs_at >= now}
    broken = sorted(until for until in late.values() if until is not None)
    if flags.json:
        output.result_object({"survives": not broken, "refused_until": output.instant(broken[-1]) if broken else None})
    elif broken:
        first = min(one.signs_at for one in after if late.get(one.key_id))
        output.remark(
            f"an API that caches the keys for {flags.cache} and does not fetch an unknown one may "
            f"refuse new tokens from {output.instant(first)} to {output.instant(broken[-1])}. "
            f"{_FETCHED_AT_ONCE}"
        )
    else:
        output.remark(f"an API that caches the keys for {flags.cache} has each key before it signs")
    return DONE


def revoke(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        if all(one.key_id != flags.key for one in registry.keys.all()):
            raise Misuse("there is no such key", hint="`keyfob tenant keys list` shows them.")
        folder.ask(f"Revoke {flags.key}? Every token that it has signed is refused from now on.", yes=flags.yes)
        after, now = registry.keys.revoke(flags.key), registry.keys.now()
        registry.note("sapi", description=f"signing key {flags.key} was revoked")
    _print_keys(flags, after, now)
    output.remark(
        "this server refuses its tokens now; keyfob's guard does within 5 minutes, with "
        "Introspection(every=True) within 30 seconds; restart other APIs, so that they fetch "
        "the keys again"
    )
    return DONE


def rewrap(flags: Namespace) -> int:
    from keyfob.server.io.master_key import default_source, find_master_key, read_source  # noqa: PLC0415  as above

    grace, place = duration(flags.grace, "--grace"), folder.folder_of(flags)
    with folder.registry_of(flags) as registry:
        present = find_master_key(place, flags.master_key, creates=False)
        to = flags.to or default_source(place)
        if to is None or (flags.to is None and not present.is_beside):
            raise Misuse(
                "the location of the new master key is missing",
                hint="For example --to file:PATH; the file is created if it does not exist.",
            )
        fresh = read_source(to, creates=True)
        if fresh == present.key:
            raise Misuse(
                "this is the current master key", hint="Choose another location, or a file that does not exist yet."
            )
        count, now = registry.keys.rewrap(fresh, grace), registry.keys.now()
        registry.note("sapi", description="the master key was changed")
    until = output.instant(now + grace) if grace else None
    if flags.json:
        output.result_object({"master_key": to.partition(" ")[0], "encrypted_anew": count, "former_until": until})
        return DONE
    output.remark(
        f"the master key is now in {to.partition(' ')[0]}; {count} keys and second factors were encrypted anew"
    )
    if until:
        output.remark(
            f"the old key, in {present.where}, is accepted until {until}: restart every node with the new key"
        )
    else:
        output.remark(
            f"the old key, in {present.where}, no longer decrypts anything: restart every node, and delete the old key"
        )
    return DONE


def _print_keys(flags: Namespace, keys: Sequence[StoredKey], now: datetime) -> None:
    from keyfob.server.decide.key_schedule import gone_at, stage_of, succeeded_at  # noqa: PLC0415  as above

    rows: list[tuple[str, ...]] = [("kid", "algorithm", "stage", "announced", "signs from", "signs until", "gone at")]
    for one in sorted(keys, key=lambda key: (key.algorithm, key.signs_at)):
        end, gone = succeeded_at(one, keys), gone_at(one, keys)
        times = {"announced_at": one.created_at, "signs_at": one.signs_at, "retired_at": end, "gone_at": gone}
        said = {name: output.instant(at) for name, at in times.items()}
        stage = stage_of(one, keys, now)
        if flags.json:
            output.result_object({"kid": one.key_id, "algorithm": one.algorithm, "stage": stage, **said})
        rows.append((one.key_id, one.algorithm, stage, *(text or "-" for text in said.values())))
    if not flags.json:
        for line in output.columns(rows):
            output.result(line)


def _imagined(keys: Sequence[StoredKey], changes: Changes, now: datetime) -> tuple[StoredKey, ...]:
    """Return the keys as they would be after the changes."""
    from keyfob.server.records import StoredKey as Key  # noqa: PLC0415  as above

    changed = {one.key_id: one for one in changes.changed}
    longest = {one.algorithm: one.longest_token for one in keys}
    fresh = (
        Key("(a new key)", algorithm, b"", now, signs_at, longest.get(algorithm, timedelta(days=30)))
        for algorithm, signs_at in changes.made
    )
    return (*(changed.get(one.key_id, one) for one in keys), *fresh)
