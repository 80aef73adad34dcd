"""What can be seen of this place, for whoever explains it to a person; nothing is changed, and nobody is logged in."""

from __future__ import annotations

from keyfob.client.io.checkup import clock_ahead, look_at_files, look_at_ports
from keyfob.client.io.surroundings import look_around

__all__ = ["clock_ahead", "look_around", "look_at_files", "look_at_ports"]
