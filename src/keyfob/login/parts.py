"""The parts that `App` builds sessions and logins from. It imports them on first use: 30 ms."""

from keyfob.client.io.http.connections import sender_of
from keyfob.client.io.world import SystemWorld
from keyfob.client.session.login import Login
from keyfob.io.key_pair import KeyPair
from keyfob.login.session import Session

__all__ = ["KeyPair", "Login", "Session", "SystemWorld", "sender_of"]
