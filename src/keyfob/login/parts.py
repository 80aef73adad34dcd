"""The parts that `App` builds sessions and logins from. It imports them on first use: 30 ms."""

from keyfob.client.io.world import SystemWorld
from keyfob.client.session.login import Login
from keyfob.login.session import Session

__all__ = ["Login", "Session", "SystemWorld"]
