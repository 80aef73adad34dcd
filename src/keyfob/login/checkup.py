"""What can be seen of this place, for whoever explains it to a person; nothing is changed, and nobody is logged in."""

from __future__ import annotations

from keyfob.client.io.detect import look_around
from keyfob.client.io.doctor import clock_ahead, look_at_files, look_at_ports

__all__ = ["clock_ahead", "look_around", "look_at_files", "look_at_ports"]
