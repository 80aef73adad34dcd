"""AWS's credential_process: credentials of an AWS role for a web identity (STS AssumeRoleWithWebIdentity)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree as ET

from keyfob.cli.tools.exchange import Helper, HelperCall, HelperReply, TokenExchange, TokenWanted
from keyfob.errors import Malformed, Misuse, Refused
from keyfob.protocol.http import FORM, Request, Response

STS: Final = "https://sts.amazonaws.com/"
ROLE: Final = re.compile(r"arn:[a-z-]{1,20}:iam::[0-9]{12}:role/[\w+=,.@/-]{1,600}", re.ASCII)
SESSION: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z]{1,60}")
# The elements of STS's response that are the credentials.
_MEMBERS: Final = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")


class AwsHelper(Helper):
    """The helper for `credential_process`.

    If no login is bound to the origin, the reply is an error, since an AWS profile has no other source of credentials.
    """

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        role, session = call.options.get("role_arn") or "", call.options.get("session_name") or "keyfob"
        sts = call.options.get("sts") or STS
        if not ROLE.fullmatch(role):
            raise Misuse("the role is an ARN", hint="For example: --role-arn arn:aws:iam::123456789012:role/deploy")
        if not SESSION.fullmatch(session):
            raise Misuse("a session name has 2 to 64 letters, digits and +=,.@-")
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": session,
        }

        def request(token: str) -> Request:
            body = urlencode({**form, "WebIdentityToken": token}).encode()
            url = sts if urlsplit(sts).path else f"{sts}/"
            return Request("POST", url, (("content-type", FORM), ("accept", "application/xml")), body)

        return TokenWanted(sts, exchange=TokenExchange(request, read_answer))

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG002  `token` has the expiry
        return HelperReply(f"{token}\n")


HELPER = AwsHelper()


def read_answer(response: Response) -> str:
    """Return the credentials in a response of STS, as the text that `AwsHelper.answer` prints.

    Raises:
        Refused: STS refused the request. The message contains the error code of STS.
        Malformed: The response is not a response of STS.
    """
    members = _read_xml(response.body)
    if response.status != 200:
        code = members.get("Code", "")
        what = (
            f"AWS refused the role: {code}" if _CODE.fullmatch(code) else f"AWS responded with status {response.status}"
        )
        raise Refused(what, hint="Check that the role's trust policy names this issuer and its audience.")
    found = {name: members.get(name, "") for name in _MEMBERS}
    if not all(found.values()):
        raise Malformed("the response of AWS has no credentials")
    return json.dumps({"Version": 1, **found})


def _read_xml(body: bytes) -> dict[str, str]:
    """Return the texts of all elements by local name. Refuse a document type, since it could define entities."""
    if b"<!" in body:
        raise Malformed("the response of AWS has a document type")
    try:
        root = ET.fromstring(body)  # noqa: S314  without a document type there are no entities
    except ET.ParseError:
        return {}
    return dict(_texts(root))


def _texts(root: ET.Element) -> Iterator[tuple[str, str]]:
    for element in root.iter():
        if element.text and element.text.strip():
            yield element.tag.rpartition("}")[2], element.text.strip()
