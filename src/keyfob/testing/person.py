"""A scripted person: opens the tenant's real pages, reads their forms, fills them in and presses buttons.

Not a browser: no JavaScript, no style. It sees what a page says and can only press what a page offers, so a test
that goes through it proves that the pages work without JavaScript.
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
    """Send for real. Raises `Unreachable` or `Malformed`."""
    return http.send(request)


@dataclass
class Form:
    """A form as the page offers it: fixed values, fields to fill in, buttons to press."""

    action: str = ""
    method: str = "get"
    values: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@dataclass
class Page:
    """What came: where from, with which status, what it says, what it offers."""

    url: str
    status: int
    text: str
    forms: list[Form]
    response: Response


class Person:
    """Somebody at a browser, with a cookie jar."""

    def __init__(self, send: Sender | None = None) -> None:
        """Sit down; `send` is how requests travel, over the network where nothing is said."""
        self._send = send or over_network
        self.cookies: dict[str, str] = {}
        self.page = Page("about:blank", 0, "", [], Response(0))

    def open(self, url: str) -> Page:
        """Type or click an address."""
        return self._go(Request("GET", url, (("accept", "text/html"), ("sec-fetch-site", "none"))))

    def press(self, button: str = "", /, **filled: str) -> Page:
        """Fill in the form that has these fields and this button, and press it.

        Args:
            button: The button's value or name; "" presses the form's first.
            filled: Field names and what to type.

        Raises:
            Misuse: No form on the page offers that; the message says what the page does offer.
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
        # As browsers do: a page that says `no-referrer` sends its forms from the origin "null".
        is_shy = self.page.response.header("referrer-policy") == "no-referrer"
        origin = "null" if is_shy else f"{here.scheme}://{here.netloc}"
        headers = (
            ("content-type", FORM),
            ("accept", "text/html"),
            ("origin", origin),
            ("sec-fetch-site", "same-origin"),
        )
        return self._go(Request("POST", url, headers, urlencode(values).encode()))

    def _go(self, request: Request) -> Page:
        for _ in range(_MOST_REDIRECTS):
            jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            carried = request.headers + ((("cookie", jar),) if jar else ())
            response = self._send(Request(request.method, request.url, carried, request.body))
            self._keep_cookies(response)
            location = response.header("location")
            if response.status not in _REDIRECTS or location is None:
                break
            request = Request("GET", urljoin(request.url, location), (("accept", "text/html"),))
        else:
            raise Malformed("the pages redirect in circles")
        self.page = _read(request.url, response)
        return self.page

    def _keep_cookies(self, response: Response) -> None:
        for header in response.header_values("set-cookie"):
            pair, *attributes = header.split(";")
            name, _, value = pair.strip().partition("=")
            gone = any(attribute.strip().lower() == "max-age=0" for attribute in attributes)
            if gone:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


def _read(url: str, response: Response) -> Page:
    reader = _Reader()
    # Browsers look into what has no type.
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
        given = {name: value or "" for name, value in attrs}
        if tag in {"style", "script", "title"}:
            self._hidden += 1
        elif tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
            self._named[given.get("id", "")] = self.forms[-1]
            self._open = True
        elif tag == "button" and given.get("type", "") in _SUBMITS:
            # A button may name its form and stand anywhere after it.
            form = self._named.get(given["form"]) if "form" in given else self.forms[-1] if self._open else None
            if form is not None:
                form.buttons.append((given.get("name", ""), given.get("value", "")))
        elif self._open and tag == "input":
            self._input(given)

    def _input(self, given: Mapping[str, str]) -> None:
        form, name, value = self.forms[-1], given.get("name", ""), given.get("value", "")
        if given.get("type") == "submit":
            form.buttons.append((name, value))
        elif name and (given.get("type") != "checkbox" or "checked" in given):
            form.values[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script", "title"}:
            self._hidden -= 1
        elif tag == "form":
            self._open = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.extend(data.split())
