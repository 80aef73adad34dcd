"""Read the vault's key from a Linux desktop's keyring, with few imports (Secret Service API, D-Bus).

`keyfob token` runs often, and the full client (`client/io/vault/secret_bus.py`) takes longer to import than Python
takes to start. So this module makes only four calls in two round trips. It does not prompt, unlock the keyring or start
a service. In every unusual case, it raises an error, and the full command runs.
"""

import _socket  # importing `socket` takes half as long as starting Python, mostly for names of constants
import os
import time

ATTRIBUTES = {"application": "keyfob", "purpose": "vault key"}
LIMIT_SECONDS = 1.0
_BUS, _API, _ROOT = b"org.freedesktop.secrets", b"org.freedesktop.Secret.", b"/org/freedesktop/secrets"
_RETURN, _ERROR = 2, 3
_NO_AUTO_START = 2
_PATH, _INTERFACE, _MEMBER, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 5, 6, 8
_LARGEST = 64 * 1024
_CHUNK = 4096


def bus_address(address: str | None, runtime: str | None) -> str:
    """Return the address of the session bus; "" if there is none.

    Args:
        address: The value of DBUS_SESSION_BUS_ADDRESS.
        runtime: The value of XDG_RUNTIME_DIR, where systemd creates the bus's socket.
    """
    usual = f"{runtime}/bus"
    return address or (f"unix:path={usual}" if runtime and os.path.exists(usual) else "")


def read(address: str) -> bytes:
    """Return the vault's key if the keyring is unlocked.

    Args:
        address: The address of the session bus.

    Raises:
        OSError: There is no keyring, the keyring does not answer within a second, or the key is locked or absent.
        ValueError: The reply has an unexpected form.
    """
    bus = _Bus(address)
    try:
        bus.send(
            b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\nBEGIN\r\n",
            _call(1, b"/org/freedesktop/DBus", b"org.freedesktop.DBus", b"org.freedesktop.DBus", b"Hello"),
            _call(2, _ROOT, _BUS, _API + b"Service", b"OpenSession", b"sv", _open_plain()),
            _call(3, _ROOT, _BUS, _API + b"Service", b"SearchItems", b"a{ss}", _attributes()),
        )
        bus.begin()
        opened, found = bus.answer(2), bus.answer(3)
        if opened[:4] != b"\x01s\0\0":
            raise ValueError("not plain")
        session, _ = _text(opened, _aligned(_text(opened, 4)[1], 4))
        if not found[:4].strip(b"\0"):
            raise OSError("no unlocked item")
        item, _ = _text(found, 4)
        bus.send(_call(4, item, _BUS, _API + b"Item", b"GetSecret", b"o", _put_text(session)))
        secret = bus.answer(4)
        _, at = _text(secret, 0)
        _, at = _bytes(secret, at)
        return _bytes(secret, at)[0]
    finally:
        bus.close()


class _Bus:
    """A connection to the bus with a time limit for all of its calls."""

    def __init__(self, address: str) -> None:
        transport, _, rest = address.partition(":")
        kind, _, name = rest.partition(",")[0].partition("=")
        if transport != "unix" or kind not in {"path", "abstract"} or not name or "%" in name or ";" in address:
            raise ValueError("not plain")
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._end = time.monotonic() + LIMIT_SECONDS
        self._heard = b""
        self._answers: dict[int, bytes] = {}
        try:
            self._wait()
            self._socket.connect(name if kind == "path" else f"\0{name}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def send(self, *parts: bytes) -> None:
        self._wait()
        self._socket.sendall(b"".join(parts))

    def begin(self) -> None:
        while b"\r\n" not in self._heard:
            self._hear()
        line, _, self._heard = self._heard.partition(b"\r\n")
        if not line.startswith(b"OK "):
            raise OSError("not let in")

    def answer(self, serial: int) -> bytes:
        """Return the body of the reply to a call. Skip signals and other replies, which may arrive first."""
        while serial not in self._answers:
            first = self._take(16)
            if first[:1] != b"l" or first[3] != 1:
                raise ValueError("not plain")
            length, fields = _number(first, 4), _number(first, 12)
            rest = self._take(_aligned(fields, 8) + length)
            if first[1] == _ERROR:
                raise OSError("refused")
            if first[1] == _RETURN:
                self._answers[_answers_to(rest[:fields])] = rest[_aligned(fields, 8) :]
        return self._answers.pop(serial)

    def _take(self, size: int) -> bytes:
        if size > _LARGEST:
            raise ValueError("not plain")
        while len(self._heard) < size:
            self._hear()
        taken, self._heard = self._heard[:size], self._heard[size:]
        return taken

    def _hear(self) -> None:
        self._wait()
        more = self._socket.recv(_CHUNK)
        if not more or len(self._heard) > _LARGEST:
            raise OSError("hung up")
        self._heard += more

    def _wait(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


def _call(
    serial: int, path: bytes, destination: bytes, interface: bytes, member: bytes,
    signature: bytes = b"", body: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a method call's bytes, in little-endian (D-Bus specification, "Message Protocol")."""
    fields = b""
    for code, kind, value in (
        (_PATH, b"o", path), (_DESTINATION, b"s", destination), (_INTERFACE, b"s", interface), (_MEMBER, b"s", member),
    ):  # fmt: skip
        fields = _padded(fields, 8) + bytes((code, 1)) + kind + b"\0" + _put_text(value)
    if signature:
        fields = _padded(fields, 8) + bytes((_SIGNATURE, 1)) + b"g\0" + bytes((len(signature),)) + signature + b"\0"
    head = bytes((0x6C, 1, _NO_AUTO_START, 1)) + _put_number(len(body)) + _put_number(serial)
    return _padded(head + _put_number(len(fields)) + fields, 8) + body


def _open_plain() -> bytes:
    """Return the arguments of OpenSession without encryption, since the bus and the service belong to this user."""
    return _padded(_put_text(b"plain") + b"\x01s\0", 4) + _put_text(b"")


def _attributes() -> bytes:
    entries = b""
    for name, value in ATTRIBUTES.items():
        entries = _padded(_padded(entries, 8) + _put_text(name.encode()), 4) + _put_text(value.encode())
    return _padded(_put_number(len(entries)), 8) + entries


def _answers_to(fields: bytes) -> int:
    """Return the serial of the call to which a message replies."""
    at = 0
    while (at := _aligned(at, 8)) + 4 < len(fields):
        code, kind = fields[at], fields[at + 1 : at + 4]
        at += 4
        if kind == b"\x01u\0":
            if code == _REPLY_SERIAL:
                return _number(fields, at)
            at += 4
        elif kind in {b"\x01s\0", b"\x01o\0"}:
            at = _text(fields, at)[1]
        elif kind == b"\x01g\0":
            at += fields[at] + 2
        else:
            break
    raise ValueError("not plain")


def _text(raw: bytes, at: int) -> tuple[bytes, int]:
    """Return the D-Bus string or path at a position, and the position after it."""
    found, end = _bytes(raw, at)
    return found, end + 1


def _bytes(raw: bytes, at: int) -> tuple[bytes, int]:
    at = _aligned(at, 4)
    end = at + 4 + _number(raw, at)
    if end > len(raw):
        raise ValueError("not plain")
    return raw[at + 4 : end], end


def _number(raw: bytes, at: int) -> int:
    if at + 4 > len(raw):
        raise ValueError("not plain")
    return int.from_bytes(raw[at : at + 4], "little")


def _aligned(at: int, to: int) -> int:
    return at + -at % to


def _put_number(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _put_text(value: bytes) -> bytes:
    return _put_number(len(value)) + value + b"\0"


def _padded(raw: bytes, to: int) -> bytes:
    return raw + bytes(-len(raw) % to)
