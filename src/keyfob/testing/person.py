"""A scripted user, who opens the pages of a server, fills in forms and presses buttons.

This user's browser has no JavaScript, and the user presses only buttons that a page contains. So a test with this user
proves that the pages work without JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from keyfob.errors import Malformed, Misuse
from keyfob.io import http
from keyfob.protocol.http import FORM, Request, Response, media_type

Sender = Callable[[Request], Response]

_REDIRECTS = {302, 303}
_MOST_REDIRECTS = 5
_SUBMITS = {"submit", ""}


def over_network(request: Request) -> Response:
    """Send a request over the network.

    Raises:
        Unreachable: There is no response.
        Malformed: The response is not usable HTTP.
    """
    return http.send(request)


@dataclass
class Form:
    """A form of a page.

    Attributes:
        values: The fields and their values.
        buttons: The name and the value of each submit button.
    """

    action: str = ""
    method: str = "get"
    values: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@dataclass
class Page:
    """A page: the final response, its visible text and its forms."""

    url: str
    status: int
    text: str
    forms: list[Form]
    response: Response


class Person:
    """A user with a simple browser: it stores cookies and follows redirects."""

    def __init__(self, send: Sender | None = None) -> None:
        """Start with an empty page. `send` sends requests, by default over the network."""
        self._send = send or over_network
        self.cookies: dict[str, str] = {}
        self.page = Page("about:blank", 0, "", [], Response(0))

    def open(self, url: str) -> Page:
        """Open an address."""
        return self._go(Request("GET", url, (("accept", "text/html"), ("sec-fetch-site", "none"))))

    def press(self, button: str = "", /, **filled: str) -> Page:
        """Fill in the first form that has these fields and this button, and submit it.

        Args:
            button: The value or the name of the button; "" presses the first button of the form.
            filled: The text to type into each field.

        Raises:
            Misuse: No form of the page has these fields and this button. The message lists the forms.
        """
        for form in self.page.forms:
            pressed = next((pair for pair in form.buttons if button in pair or not button), None)
            if filled.keys() <= form.values.keys() and (pressed is not None or not button):
                named = {pressed[0]: pressed[1]} if pressed and pressed[0] else {}
                return self._submit(form, {**form.values, **filled, **named})
        offered = [(sorted(form.values), form.buttons) for form in self.page.forms]
        raise Misuse(f"no form at {urlsplit(self.page.url).path} offers that; it offers {offered}")

    def _submit(self, form: Form, values: Mapping[str, str]) -> Page:
        url = urljoin(self.page.url, form.action or self.page.url)
        if form.method != "post":
            return self._go(Request("GET", f"{url.partition('?')[0]}?{urlencode(values)}", (("accept", "text/html"),)))
        here = urlsplit(self.page.url)
        # On a page with the referrer policy `no-referrer`, a browser sends `Origin: null`.
        hides_origin = self.page.response.header("referrer-policy") == "no-referrer"
        origin = "null" if hides_origin else f"{here.scheme}://{here.netloc}"
        headers = (
            ("content-type", FORM),
            ("accept", "text/html"),
            ("origin", origin),
            ("sec-fetch-site", "same-origin"),
        )
        return self._go(Request("POST", url, headers, urlencode(values).encode()))

    def _go(self, request: Request) -> Page:
        for _ in range(_MOST_REDIRECTS):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers = request.headers + ((("cookie", cookies),) if cookies else ())
            response = self._send(Request(request.method, request.url, headers, request.body))
            self._store_cookies(response)
            location = response.header("location")
            if response.status not in _REDIRECTS or location is None:
                break
            request = Request("GET", urljoin(request.url, location), (("accept", "text/html"),))
        else:
            raise Malformed("the pages redirect in circles")
        self.page = _read(request.url, response)
        return self.page

    def _store_cookies(self, response: Response) -> None:
        for header in response.header_values("set-cookie"):
            pair, *attributes = header.split(";")
            name, _, value = pair.strip().partition("=")
            is_deleted = any(attribute.strip().lower() == "max-age=0" for attribute in attributes)
            if is_deleted:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


def _read(url: str, response: Response) -> Page:
    reader = _Reader()
    # A browser reads a response without a content type as HTML.
    if media_type(response.header("content-type") or "text/html") == "text/html":
        reader.feed(response.body.decode())
    return Page(url, response.status, " ".join(reader.words), reader.forms, response)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._named: dict[str, Form] = {}
        self._open = False
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in {"style", "script", "title"}:
            self._hidden += 1
        elif tag == "form":
            self.forms.append(Form(attributes.get("action", ""), attributes.get("method", "get").lower()))
            self._named[attributes.get("id", "")] = self.forms[-1]
            self._open = True
        elif tag == "button" and attributes.get("type", "") in _SUBMITS:
            # A button outside a form names the id of its form.
            form = (
                self._named.get(attributes["form"]) if "form" in attributes else self.forms[-1] if self._open else None
            )
            if form is not None:
                form.buttons.append((attributes.get("name", ""), attributes.get("value", "")))
        elif self._open and tag == "input":
            self._input(attributes)

    def _input(self, attributes: Mapping[str, str]) -> None:
        form, name, value = self.forms[-1], attributes.get("name", ""), attributes.get("value", "")
        if attributes.get("type") == "submit":
            form.buttons.append((name, value))
        elif name and (attributes.get("type") != "checkbox" or "checked" in attributes):
            form.values[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script", "title"}:
            self._hidden -= 1
        elif tag == "form":
            self._open = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.extend(data.split())
