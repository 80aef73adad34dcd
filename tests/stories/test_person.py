"""The scripted person sees what a browser would."""

from keyfob.protocol.http import Request, Response
from keyfob.testing.person import Person

PAGE = b"""<form id="a" action="/yes" method="post"><input type="hidden" name="word" value="one"></form>
<form id="b" action="/no" method="post"></form>
<button form="a">Continue</button> <button form="a" name="abort" value="yes">Abort</button>
<button form="b" name="leave">Leave</button> <button name="nothing" value="1">Nothing</button>"""


def test_a_button_may_stand_outside_the_form_that_it_names() -> None:
    came: list[Request] = []

    def send(request: Request) -> Response:
        came.append(request)
        return Response(200, (("content-type", "text/html"),), PAGE)

    person = Person(send)
    page = person.open("https://login.example/")
    assert [form.buttons for form in page.forms] == [[("", ""), ("abort", "yes")], [("leave", "")]]
    person.press("abort")
    assert (came[-1].url, came[-1].body) == ("https://login.example/yes", b"word=one&abort=yes")


def test_a_page_that_says_no_type_is_read_all_the_same() -> None:
    assert Person(lambda _: Response(200, (), PAGE)).open("https://login.example/").forms
    assert not Person(lambda _: Response(200, (("content-type", "text/plain"),), PAGE)).open("https://a.example/").forms
