from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.flows import interactive as login_flow
from keyfob.client.flows.device import begin, finish, log_in
from keyfob.client.flows.polling import LONGEST_WAIT, PAD
from keyfob.client.model.notices import CodeShown, NetworkTrouble, NumberRefused, SlowedDown, StillPending
from keyfob.client.model.surroundings import Surroundings
from keyfob.errors import KeyfobError, LoginDeclined, LoginRequired, Malformed, Refused, TimedOut, Unreachable
from keyfob.protocol.device import DeviceRequest
from keyfob.protocol.fields import read_form
from keyfob.protocol.grants import DeviceCodeGrant, TokenRequest
from keyfob.protocol.http import Response, json_response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import Target
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.scripted_server import Answer, ScriptedWorld, Silence
from tests.client.scripts import (
    API,
    CLIENT,
    DOCUMENT,
    METADATA,
    OPENID,
    PAGE,
    PENDING,
    PROFILE,
    SLOW_DOWN,
    client,
    codes,
    error,
    pending,
    tokens,
)

ASKED = DeviceRequest(CLIENT, PROFILE.scope, Target(API))


def polled(*answers: Answer, interval: float = 5, expires_in: float = 900) -> tuple[ScriptedWorld, list[float]]:
    world = ScriptedWorld({"/token": answers})
    run(finish(world, pending(interval, expires_in), client()))
    return world, gaps(world)


def ended(*answers: Answer, interval: float = 5, expires_in: float = 900) -> tuple[KeyfobError, ScriptedWorld]:
    world = ScriptedWorld({"/token": answers})
    with pytest.raises(KeyfobError) as caught:
        run(finish(world, pending(interval, expires_in), client()))
    return caught.value, world


def gaps(world: ScriptedWorld) -> list[float]:
    return [later - earlier for earlier, later in pairwise([0.0, *world.moments("/token")])]


def test_a_program_with_a_secret_says_its_id_beside_the_header_too() -> None:
    """[C-6749-02]: it need not (RFC 8628 §3.1), and django-oauth-toolkit looks nowhere else."""
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()]})

    run(login_flow.begin(world, PROFILE, Secret("s3cret")))

    [first] = world.requests("/device")
    assert (first.header("authorization") or "").startswith("Basic ")
    assert read_form(first.body, "request").values["client_id"] == CLIENT
    assert b"s3cret" not in first.body


def test_a_login_asks_for_codes_shows_them_and_waits_for_the_person() -> None:
    """[C-8628-05] [C-8628-09] [C-8628-10] [C-6749-02] [C-6749-03] [C-6749-09]"""
    world = ScriptedWorld({"/device": [codes()], "/token": [PENDING] * 10 + [tokens()]})

    answer = run(log_in(world, METADATA, client(), PROFILE))

    assert answer.access_token == Secret("at-1")
    [first] = world.requests("/device")
    assert DeviceRequest.read(read_form(first.body, "request")) == ASKED
    polls = world.requests("/token")
    assert len(polls) == 11
    assert {poll.method for poll in polls} == {"POST"}
    assert {poll.header("content-type") for poll in polls} == {"application/x-www-form-urlencoded"}
    assert all(not poll.query for poll in polls)
    read = [TokenRequest.read(read_form(poll.body, "request")) for poll in polls]
    assert read == [TokenRequest(CLIENT, DeviceCodeGrant(Secret("the-device-code")))] * 11
    assert isinstance(world.notices[0], CodeShown)
    assert (world.notices[0].user_code, world.notices[0].verification_uri) == (
        "WDJB-MJHT",
        "https://login.example/activate",
    )
    assert sum(isinstance(notice, StillPending) for notice in world.notices) == 10


def test_empty_parameters_are_not_sent() -> None:
    """[C-6749-03]"""
    world = ScriptedWorld({"/device": [codes()]})

    run(begin(world, METADATA, client(), replace(PROFILE, scope=Scope(), audience=None)))

    assert world.requests("/device")[0].body == b"client_id=cli"


def test_the_first_question_waits_too_and_none_comes_sooner_than_the_interval() -> None:
    """[C-8628-03]"""
    _, waited = polled(PENDING, PENDING, tokens(), interval=2)

    assert waited == pytest.approx([2 * PAD] * 3)


def test_a_server_that_names_no_interval_is_asked_every_five_seconds() -> None:
    """[C-8628-03]"""
    world = ScriptedWorld({"/device": [codes(interval=None)], "/token": [PENDING, tokens()]})

    run(log_in(world, METADATA, client(), PROFILE))

    assert min(gaps(world)) >= 5


def test_a_server_that_says_zero_is_not_hammered() -> None:
    _, waited = polled(PENDING, PENDING, tokens(), interval=0)

    assert min(waited) >= 1


def test_a_clock_that_runs_a_fifth_fast_is_never_too_early() -> None:
    _, waited = polled(PENDING, PENDING, tokens())

    assert min(waited) / 1.2 >= 5


def test_slow_down_adds_five_seconds_for_good() -> None:
    """[C-8628-04]"""
    world, waited = polled(SLOW_DOWN, PENDING, SLOW_DOWN, PENDING, tokens(), interval=1)

    assert waited == pytest.approx([span * PAD for span in (1, 6, 6, 11, 11)])
    told = [notice for notice in world.notices if isinstance(notice, SlowedDown)]
    assert [notice.times for notice in told] == [1, 2]


@pytest.mark.parametrize("status", [400, 403, 429])
def test_pending_and_slow_down_are_understood_under_every_status_in_use(status: int) -> None:
    pend, slow = error("authorization_pending", status), error("slow_down", status)

    _, waited = polled(pend, slow, pend, tokens(), interval=1)

    assert waited == pytest.approx([span * PAD for span in (1, 1, 6, 6)])


@pytest.mark.parametrize(
    "answer", [Response(429), Response(429, (), b"slow, please"), error("too_many_requests", 429)], ids=str
)
def test_too_many_requests_without_a_known_code_is_a_slow_down(answer: Response) -> None:
    _, waited = polled(answer, tokens())

    assert waited == pytest.approx([5 * PAD, 10 * PAD])


@pytest.mark.parametrize("status", [400, 403, 429, 500])
@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [
        ("access_denied", LoginDeclined, 5),
        ("expired_token", TimedOut, 6),
        ("invalid_grant", Refused, 3),
        ("invalid_client", Refused, 3),
    ],
)
def test_a_final_word_ends_the_login_at_once_and_says_which(
    status: int, code: str, kind: type[KeyfobError], exit_code: int
) -> None:
    """[C-8628-06]"""
    problem, world = ended(PENDING, error(code, status), tokens())

    assert type(problem) is kind
    assert problem.exit == exit_code
    assert len(world.requests("/token")) == 2


@pytest.mark.parametrize("code", ["unsupported_grant_type", "server_told_me_not_to", "invalid_scope"])
def test_a_code_that_nobody_knows_ends_the_login_too(code: str) -> None:
    """[C-8628-06]"""
    problem, world = ended(error(code), tokens())

    assert isinstance(problem, Refused)
    assert problem.oauth_code == code
    assert len(world.requests("/token")) == 1


@pytest.mark.parametrize("status", [400, 401, 404])
def test_an_empty_refusal_ends_the_login_with_its_status_in_the_words(status: int) -> None:
    """[C-6749-19]"""
    problem, _ = ended(Response(status))

    assert isinstance(problem, Refused)
    assert str(status) in problem.message


def test_silence_doubles_the_wait_until_somebody_answers() -> None:
    """[C-8628-07]"""
    silent = Silence(timedelta())

    world, waited = polled(silent, silent, PENDING, tokens(), interval=2)

    assert waited == pytest.approx([span * PAD for span in (2, 4, 8, 2)])
    assert sum(isinstance(notice, NetworkTrouble) for notice in world.notices) == 2


def test_silence_never_stretches_a_wait_beyond_a_minute() -> None:
    _, waited = polled(*[Silence(timedelta())] * 8, tokens())

    assert max(waited) == LONGEST_WAIT.total_seconds()


def test_a_connection_that_fails_costs_nothing_but_the_turn() -> None:
    gone = Unreachable("nobody answers there")

    _, waited = polled(gone, gone, gone, tokens())

    assert waited == pytest.approx([5 * PAD] * 4)


@pytest.mark.parametrize(
    "trouble",
    [
        Response(500),
        Response(502, (("content-type", "text/html"),), b"<html>Bad gateway</html>"),
        Response(503, (), b"{}"),
        Response(408),
        PAGE,
        Response(200, (("content-type", "text/plain"),), b"  <!DOCTYPE html>log in to the WiFi"),
        Response(403, (("content-type", "text/html; charset=utf-8"),), b"<html>blocked</html>"),
        Malformed("the response is not valid HTTP"),
    ],
    ids=lambda trouble: f"{trouble.status} {trouble.body[:12]!r}" if isinstance(trouble, Response) else "not HTTP",
)
def test_faults_and_web_pages_are_lived_through(trouble: Answer) -> None:
    """[C-6749-19]"""
    world, _ = polled(trouble, PENDING, trouble, tokens())

    assert sum(isinstance(notice, NetworkTrouble) for notice in world.notices) == 2


@pytest.mark.parametrize("status", [400, 429, 503])
@pytest.mark.parametrize("said", ["40", "Tue, 01 Jan 2030 12:00:46 GMT"], ids=["seconds", "date"])
def test_retry_after_is_honoured_once(status: int, said: str) -> None:
    busy = error("authorization_pending" if status == 400 else "temporarily_unavailable", status)
    answer = replace(busy, headers=(*busy.headers, ("retry-after", said)))

    _, waited = polled(answer, PENDING, tokens())

    assert waited[1] == pytest.approx(40, abs=0.01)
    assert waited[2] < 40


@pytest.mark.parametrize("said", ["soon", "-5", "", "٤٠", "9" * 40, "Tue, 99 Jan 2030", "Tue, 01 Jan 2030 12:00:46"])
def test_a_retry_after_that_makes_no_sense_counts_as_none(said: str) -> None:
    _, waited = polled(Response(503, (("retry-after", said),)), tokens())

    assert waited == pytest.approx([5 * PAD] * 2)


def test_a_server_that_is_always_pending_is_left_when_the_codes_lapse() -> None:
    """[C-8628-08]"""
    problem, world = ended(PENDING, expires_in=60)

    assert isinstance(problem, TimedOut)
    assert world.time.passed == timedelta(seconds=60)
    assert max(world.moments("/token")) < 60


def test_a_wall_clock_that_jumps_does_not_end_a_login() -> None:
    """[C-8628-08]"""
    world = ScriptedWorld({"/token": [PENDING, PENDING, tokens()]})
    world.time.set_wall(timedelta(days=1))

    assert run(finish(world, pending(), client())).access_token == Secret("at-1")


def test_a_laptop_that_slept_past_the_deadline_gives_up_when_nobody_answers_either() -> None:
    world = ScriptedWorld({"/token": [Response(502)]})
    world.time.set_wall(timedelta(hours=8))

    with pytest.raises(TimedOut):
        run(finish(world, pending(), client()))

    assert len(world.requests("/token")) == 1


def test_a_network_that_never_comes_back_ends_at_the_deadline() -> None:
    """[C-8628-08]"""
    problem, world = ended(Unreachable("nobody answers there"), expires_in=120)

    assert isinstance(problem, TimedOut)
    assert world.time.passed <= timedelta(seconds=120)


@pytest.mark.parametrize("missing", ["device_code", "user_code", "verification_uri", "expires_in"])
@pytest.mark.parametrize("value", [None, [], {}, True, -1.5], ids=repr)
def test_codes_that_are_not_whole_end_the_login_before_anybody_is_bothered(missing: str, value: object) -> None:
    """[C-8628-02]"""
    world = ScriptedWorld({"/device": [codes(**{missing: value})]})

    with pytest.raises(Malformed) as caught:
        run(log_in(world, METADATA, client(), PROFILE))

    assert caught.value.field.startswith(missing[:12])
    assert world.notices == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "javascript:alert(1)", "https://a b", "https://x/\x1b[2J"])
def test_an_address_that_is_not_for_a_browser_is_never_shown(address: str) -> None:
    """[C-6749-06]"""
    world = ScriptedWorld({"/device": [codes(verification_uri=address)]})

    with pytest.raises(Malformed):
        run(begin(world, METADATA, client(), PROFILE))

    assert world.notices == []


def test_an_old_server_that_says_verification_url_is_understood() -> None:
    old = codes(verification_uri=None, verification_url="https://login.example/old")

    shown = run(begin(ScriptedWorld({"/device": [old]}), METADATA, client(), PROFILE)).shown

    assert shown.verification_uri == "https://login.example/old"


def test_a_server_without_a_device_endpoint_is_not_asked() -> None:
    world = ScriptedWorld({})

    with pytest.raises(Refused) as caught:
        run(begin(world, replace(METADATA, device_authorization_endpoint=None), client(), PROFILE))

    assert caught.value.code == "flow-unavailable"
    assert world.sent == []


def test_a_refusal_of_the_codes_is_no_decline() -> None:
    world = ScriptedWorld({"/device": [error("access_denied", 403)]})

    with pytest.raises(Refused) as caught:
        run(begin(world, METADATA, client(), PROFILE))

    assert type(caught.value) is Refused


def test_the_codes_are_asked_for_once() -> None:
    world = ScriptedWorld({"/device": [Response(503)]})

    with pytest.raises(Refused):
        run(begin(world, METADATA, client(), PROFILE))

    assert len(world.sent) == 1


def test_a_login_can_be_begun_here_and_finished_there() -> None:
    first = ScriptedWorld({"/device": [codes()]})
    begun = run(begin(first, METADATA, client(), PROFILE))
    second = ScriptedWorld({"/token": [PENDING, tokens()]})

    assert run(finish(second, begun, client())).access_token == Secret("at-1")


def test_neither_code_shows_when_a_pending_login_is_printed() -> None:
    """[C-8628-11]"""
    assert "the-device-code" not in repr(pending())


@pytest.mark.parametrize("token_type", ["bearer", "BEARER", "Bearer"])
def test_a_token_type_is_read_whatever_its_case(token_type: str) -> None:
    """[C-6749-16]"""
    polled(tokens(token_type=token_type))


@pytest.mark.parametrize("token_type", ["mac", "DPoP", None, 7, ["Bearer"]], ids=repr)
def test_a_token_of_a_type_that_we_cannot_use_is_refused(token_type: object) -> None:
    """[C-6749-16]"""
    problem, _ = ended(tokens(token_type=token_type))

    assert isinstance(problem, Malformed)


@pytest.mark.parametrize("value", ["a.b.c", "x" * 16384, "opaque"], ids=len)
def test_an_access_token_is_taken_as_it_is_with_junk_beside_it(value: str) -> None:
    """[C-6749-04] [C-9068-01]"""
    world = ScriptedWorld({"/token": [tokens(access_token=value, junk={"deep": [1]}, more=None)]})

    assert run(finish(world, pending(), client())).access_token == Secret(value)


def test_a_token_without_a_lifetime_has_an_unknown_one() -> None:
    """[C-6749-18]"""
    answer = run(finish(ScriptedWorld({"/token": [tokens(expires_in=None)]}), pending(), client()))

    assert answer.expires_in is None


ANSWERS = st.builds(
    Response,
    st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500, 503]),
    st.lists(
        st.tuples(
            st.sampled_from(["content-type", "retry-after"]), st.text(st.characters(codec="latin-1"), max_size=30)
        ),
        max_size=2,
    ).map(tuple),
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from([b"", b"null", b"[]", b"{}", b'{"error": 7}', b'{"error": ""}', b'{"expires_in": 1e999}']),
        st.dictionaries(
            st.sampled_from(["error", "access_token", "token_type", "expires_in", "device_code", "interval", "scope"]),
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([])),
        ).map(lambda members: json_response(200, members).body),
    ),
)


@given(first=ANSWERS, then=st.lists(ANSWERS, min_size=1, max_size=4))
def test_whatever_is_answered_ends_in_a_login_or_in_an_error_of_ours(first: Response, then: list[Response]) -> None:
    """[C-6749-19]"""
    for script in ({"/device": [first], "/token": then}, {"/device": [codes()], "/token": then}):
        world = ScriptedWorld(script)
        try:
            run(log_in(world, METADATA, client(), PROFILE))
        except KeyfobError as problem:
            assert not isinstance(problem, LoginRequired)
        assert world.now().wall >= NOON
        assert world.time.passed <= timedelta(seconds=901)


def asks_number(left: int | None = None) -> Response:
    members: dict[str, object] = {"error": "authorization_pending", "number_required": True}
    return json_response(400, members if left is None else {**members, "number_tries_left": left})


def test_the_number_of_the_page_is_asked_for_and_sent_at_once() -> None:
    world = ScriptedWorld({"/token": [PENDING, asks_number(), tokens()]})
    world.answers = ["421 443"]
    assert run(finish(world, pending(), client())).access_token == Secret("at-1")
    assert [question.kind for question in world.asked] == ["number"]
    sent = [read_form(poll.body, "request").values.get("number") for poll in world.requests("/token")]
    assert sent == [None, None, "421443"]
    assert gaps(world)[2] == 0, "the user waits for the outcome"


def test_a_wrong_number_is_asked_for_again_with_the_tries_that_are_left() -> None:
    world = ScriptedWorld({"/token": [asks_number(), asks_number(2), tokens()]})
    world.answers = ["111111", "421443"]
    run(finish(world, pending(), client()))
    assert [notice.tries_left for notice in world.notices if isinstance(notice, NumberRefused)] == [2]


def test_what_is_no_number_is_asked_for_again_and_costs_no_try() -> None:
    world = ScriptedWorld({"/token": [asks_number(), tokens()]})
    world.answers = ["", "no idea", "١٢٣", "421-443"]
    run(finish(world, pending(), client()))
    sent = [read_form(poll.body, "request").values.get("number") for poll in world.requests("/token")]
    assert sent == [None, "421443"]


def test_a_number_that_meets_network_trouble_is_sent_again_at_the_pace_of_polling() -> None:
    world = ScriptedWorld({"/token": [asks_number(), Unreachable("no route"), tokens()]})
    world.answers = ["421443"]
    run(finish(world, pending(), client()))
    assert gaps(world)[1:] == [0, 5 * PAD]


def test_too_many_wrong_numbers_end_the_login_as_declined() -> None:
    world = ScriptedWorld({"/token": [asks_number(), error("access_denied")]})
    world.answers = ["111111"]
    with pytest.raises(LoginDeclined):
        run(finish(world, pending(), client()))


def test_without_anybody_to_ask_the_login_ends_and_says_why() -> None:
    world = ScriptedWorld({"/token": [asks_number()]})
    with pytest.raises(LoginRequired):
        run(finish(world, pending(), client()))


@pytest.mark.parametrize("odd", [{"number_required": "true"}, {"number_required": 1}, {"number_required": False}])
def test_only_a_true_member_asks_for_a_number(odd: dict[str, object]) -> None:
    world = ScriptedWorld({"/token": [json_response(400, {"error": "authorization_pending", **odd}), tokens()]})
    run(finish(world, pending(), client()))
    assert world.asked == []


def test_the_name_of_this_computer_goes_only_to_a_server_that_wants_it() -> None:
    here = Surroundings(host="pats-laptop", system="Linux")
    bodies = []
    for metadata in (METADATA, replace(METADATA, device_facts_supported=True)):
        world = ScriptedWorld({"/device": [codes()]})
        world.here = here
        run(begin(world, metadata, client(), PROFILE))
        bodies.append(read_form(world.requests("/device")[0].body, "request").values)
    assert "device_name" not in bodies[0]
    assert "device_system" not in bodies[0]
    assert (bodies[1]["device_name"], bodies[1]["device_system"]) == ("pats-laptop", "Linux")
