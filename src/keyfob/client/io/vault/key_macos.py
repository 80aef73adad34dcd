"""The vault's key in the keychain of macOS: one generic password, so that a person is asked at most once."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any, Final, NoReturn, Protocol

from keyfob.client.io.vault.bounded import LIMIT_SECONDS, within
from keyfob.client.io.vault.key_place import ACCOUNT, KEY_BYTES, SERVICE
from keyfob.errors import VaultUnavailable

_DONE, _NOT_FOUND, _DUPLICATE = 0, -25300, -25299
# errSecInteractionNotAllowed, errSecAuthFailed, errSecUserCanceled: it is there, and shut.
_SHUT: Final = frozenset({-25308, -25293, -128})
_PERSON_SECONDS: Final = 90.0


class Security(Protocol):
    """The four functions of the Security framework that one key needs, as C has them."""

    def SecKeychainFindGenericPassword(self, *arguments: object) -> int:  # noqa: N802  Apple's name
        """Find; gives a status."""
        ...

    def SecKeychainAddGenericPassword(self, *arguments: object) -> int:  # noqa: N802
        """Add; gives a status."""
        ...

    def SecKeychainItemDelete(self, item: object) -> int:  # noqa: N802
        """Delete; gives a status."""
        ...

    def SecKeychainItemFreeContent(self, attributes: object, content: object) -> int:  # noqa: N802
        """Give memory back."""
        ...


def security_framework() -> Security:
    """The real one.

    Raises:
        VaultUnavailable: It is not on this system.
    """
    path = ctypes.util.find_library("Security")
    if path is None:
        raise VaultUnavailable("this system has no keychain", code="key-absent")
    library: Any = ctypes.CDLL(path)
    for name in ("FindGenericPassword", "AddGenericPassword", "ItemDelete", "ItemFreeContent"):
        getattr(library, f"SecKeychain{name}").restype = ctypes.c_int32
    found: Security = library
    return found


class MacKeychain:
    """One item in the login keychain."""

    def __init__(self, library: Security, *, limit: float = LIMIT_SECONDS) -> None:
        """Know the functions."""
        self._library = library
        self._limit = limit

    def read(self, *, may_ask: bool) -> bytes | None:
        """The key, or None."""
        return within(_PERSON_SECONDS if may_ask else self._limit, "the keychain", lambda: self._find()[0])

    def write(self, key: bytes, *, may_ask: bool) -> None:
        """Put it there, in place of another."""
        within(_PERSON_SECONDS if may_ask else self._limit, "the keychain", lambda: self._replace(key))

    def remove(self) -> None:
        """Take it away."""
        within(self._limit, "the keychain", self._delete)

    def _find(self) -> tuple[bytes | None, ctypes.c_void_p]:
        length, content, item = ctypes.c_uint32(), ctypes.c_void_p(), ctypes.c_void_p()
        status = self._library.SecKeychainFindGenericPassword(
            None, *_named(SERVICE), *_named(ACCOUNT), ctypes.byref(length), ctypes.byref(content), ctypes.byref(item)
        )
        if status == _NOT_FOUND:
            return None, item
        if status != _DONE or content.value is None:
            _fail(status)
        found = ctypes.string_at(content.value, length.value)
        self._library.SecKeychainItemFreeContent(None, content)
        return (found if len(found) == KEY_BYTES else None), item

    def _replace(self, key: bytes) -> None:
        status = self._add(key)
        if status == _DUPLICATE:
            self._delete()
            status = self._add(key)
        if status != _DONE:
            _fail(status)

    def _add(self, key: bytes) -> int:
        size = ctypes.c_uint32(len(key))
        return self._library.SecKeychainAddGenericPassword(
            None, *_named(SERVICE), *_named(ACCOUNT), size, ctypes.c_char_p(key), None
        )

    def _delete(self) -> None:
        _, item = self._find()
        if item.value is not None:
            status = self._library.SecKeychainItemDelete(item)
            if status != _DONE:
                _fail(status)


def _named(text: str) -> tuple[ctypes.c_uint32, ctypes.c_char_p]:
    raw = text.encode()
    return ctypes.c_uint32(len(raw)), ctypes.c_char_p(raw)


def _fail(status: int) -> NoReturn:
    """Say what the keychain said.

    Raises:
        VaultUnavailable: Always.
    """
    if status in _SHUT:
        raise VaultUnavailable("the keychain is locked", code="key-locked", hint="Unlock it, and try again.")
    raise VaultUnavailable(f"the keychain cannot be used (status {status})", code="key-absent")
