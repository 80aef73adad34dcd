"""The API that a token is requested for: Auth0's `audience`, or `resource` (RFC 8707 §2)."""

from __future__ import annotations

from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.fields import Fields


@light_dataclass(frozen=True, slots=True)
class Target:
    """The identifier of the requested API; None means the server's default API."""

    audience: str | None = None
    is_resource: bool = False

    def write(self) -> dict[str, str]:
        name = "resource" if self.is_resource else "audience"
        return {name: self.audience} if self.audience else {}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Parse form or JSON parameters. `audience` takes precedence, as at Auth0.

        Raises:
            Malformed: A parameter names more than one API.
        """
        for name in ("audience", "resource"):
            found = fields.optional_text(name)
            if found is not None and " " in found:
                raise Malformed(f"request: {name} names more than one API", field=name)
            if found is not None:
                return cls(found, is_resource=name == "resource")
        return cls()


ANY: Final = Target()
