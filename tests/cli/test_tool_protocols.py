"""The protocols of credential helpers, as pure functions: what a tool says, and what it is told."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.cli.tools.aws import read_answer
from keyfob.cli.tools.exchange import HelperCall, HelperReply, TokenWanted, url_of_host
from keyfob.cli.tools.kubectl import VERSIONS
from keyfob.cli.tools.protocols import PROTOCOLS, protocol_of
from keyfob.cli.tools.quick_reply import plain_origin
from keyfob.errors import KeyfobError, LoginRequired, Malformed, Misuse, Refused
from keyfob.protocol.address import is_safe, origin_of
from keyfob.protocol.http import Response

aws, bazel, curl, docker = map(protocol_of, ("aws", "bazel", "curl", "docker"))
git, keyring, kubectl, pnpm = map(protocol_of, ("git", "keyring", "kubectl", "pnpm"))
UNTIL = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
V1 = "client.authentication.k8s.io/v1"
ROLE = "arn:aws:iam::123456789012:role/deploy"


def call(*words: str, given: str = "", variables: dict[str, str] | None = None, **options: str) -> HelperCall:
    return HelperCall(words, given.encode(), variables, options)


def wanted(found: TokenWanted | HelperReply) -> TokenWanted:
    assert isinstance(found, TokenWanted)
    return found


def reply(found: TokenWanted | HelperReply) -> tuple[str, int]:
    assert isinstance(found, HelperReply)
    return found.text, found.code


def git_says(**attributes: str | list[str]) -> str:
    lines: list[str] = []
    for name, value in attributes.items():
        lines += [f"{name}[]={one}" for one in value] if isinstance(value, list) else [f"{name}={value}"]
    return "".join(f"{line}\n" for line in lines) + "\n"


ASKED = {"protocol": "https", "host": "git.example.com"}


def test_an_older_git_gets_the_token_as_a_password_with_its_expiry() -> None:
    found = wanted(git.read(call("get", given=git_says(**ASKED, path="team/repo.git"))))

    assert found.url == "https://git.example.com/team/repo.git"
    assert git.answer(found, "at-1", UNTIL).text == f"username=oauth2\npassword=at-1\npassword_expiry_utc={UNTIL}\n"
    assert "expiry" not in git.answer(found, "at-1", None).text


def test_git_keeps_the_user_name_of_the_address() -> None:
    found = wanted(git.read(call("get", given=git_says(**ASKED, username="x-token-auth"))))

    assert git.answer(found, "at-1", None).text == "username=x-token-auth\npassword=at-1\n"


@pytest.mark.parametrize("challenges", [['Bearer realm="git"'], ["Basic realm=x", "bearer"], []])
def test_a_git_that_can_gets_a_bearer_credential_that_no_helper_stores(challenges: list[str]) -> None:
    given = git_says(capability=["authtype", "state"], **ASKED, wwwauth=challenges)

    text = git.answer(wanted(git.read(call("get", given=given))), "at-1", None).text

    assert text == "capability[]=authtype\nauthtype=Bearer\ncredential=at-1\nephemeral=1\n"


def test_a_server_that_takes_only_passwords_gets_the_token_as_one() -> None:
    given = git_says(capability=["authtype"], **ASKED, wwwauth=['Basic realm="git"'])

    assert "password=at-1" in git.answer(wanted(git.read(call("get", given=given))), "at-1", None).text


def test_the_helper_of_git_lists_its_capabilities_and_stores_nothing() -> None:
    assert reply(git.read(call("capability"))) == ("version 0\ncapability authtype\n", 0)
    assert reply(git.read(call("store", given=git_says(**ASKED, password="x")))) == ("", 0)
    assert reply(git.read(call("something-new"))) == ("", 0)


@pytest.mark.parametrize(
    "given", ["", "protocol=ssh\nhost=a\n\n", "protocol=https\n\n", "\n", "protocol", "protocol=cert\npath=/x\n"]
)
def test_what_is_not_a_web_server_is_not_for_this_helper_of_git(given: str) -> None:
    assert reply(git.read(call("get", given=given))) == ("", 0)


def test_git_names_the_credential_that_was_refused() -> None:
    assert wanted(git.read(call("erase", given=git_says(**ASKED, password="at-1")))).refused == "at-1"
    assert wanted(git.read(call("erase", given=git_says(**ASKED, credential="at-2")))).refused == "at-2"
    assert reply(git.read(call("erase", given=git_says(**ASKED)))) == ("", 0)


@given(st.binary(max_size=200))
def test_no_input_breaks_a_helper_of_git_docker_or_bazel(given: bytes) -> None:
    for protocol in (git, docker, bazel):
        for word in ("get", "store", "erase", "list"):
            assert isinstance(protocol.read(HelperCall([word], given)), TokenWanted | HelperReply)


def test_docker_gets_the_token_as_a_password() -> None:
    found = wanted(docker.read(call("get", given="registry.example.com\n")))

    assert found.url == "https://registry.example.com"
    assert json.loads(docker.answer(found, "at-1", UNTIL).text) == {
        "ServerURL": "registry.example.com", "Username": "oauth2", "Secret": "at-1",
    }  # fmt: skip


def test_docker_gets_the_replies_of_its_protocol() -> None:
    assert reply(docker.read(call("get"))) == ("credentials not found in native keychain\n", 1)
    assert docker.not_ours().text == "credentials not found in native keychain\n"
    assert reply(docker.read(call("list"))) == ("{}\n", 0)
    assert reply(docker.read(call("erase", given="registry.example.com"))) == ("", 0)
    text, code = reply(docker.read(call("store", given='{"ServerURL": "r", "Username": "u", "Secret": "s3cret"}')))
    assert code == 1
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("registry.example.com", "https://registry.example.com"),
        ("registry.example.com:5000", "https://registry.example.com:5000"),
        ("https://index.docker.io/v1/", "https://index.docker.io/v1/"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("localhost", "http://localhost"),
        ("localhost.example.com", "https://localhost.example.com"),
        ("[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_a_server_without_a_scheme_is_https_except_on_this_machine(server: str, url: str) -> None:
    assert url_of_host(server) == url


def test_bazel_gets_a_header_and_its_expiry() -> None:
    found = wanted(bazel.read(call("get", given='{"uri": "https://cache.example.com/x"}')))

    assert json.loads(bazel.answer(found, "at-1", UNTIL).text) == {
        "headers": {"Authorization": ["Bearer at-1"]}, "expires": "2026-01-31T12:00:00Z",
    }  # fmt: skip
    assert json.loads(bazel.not_ours().text) == {"headers": {}}
    assert reply(bazel.read(call("put", given='{"uri": "https://cache.example.com/x"}')))[1] == 1
    assert reply(bazel.read(call("get", given="[" * 60_000)))[1] == 1


def test_pip_gets_the_token_and_uv_also_the_user_name() -> None:
    pip = wanted(keyring.read(call("get", "https://index.example.com/simple/", "__token__")))
    uv = wanted(keyring.read(call("get", "index.example.com", mode="creds")))

    assert keyring.answer(pip, "at-1", None).text == "at-1\n"
    assert (uv.url, keyring.answer(uv, "at-1", None).text) == ("https://index.example.com", "__token__\nat-1\n")
    assert [reply(keyring.read(call(*words)))[1] for words in ((), ("set", "a", "b"), ("get",), ("get", ""))] == [1] * 4


@pytest.mark.parametrize("version", VERSIONS)
def test_kubectl_gets_a_credential_of_the_version_that_it_asks_for(version: str) -> None:
    spec = {"interactive": True, "cluster": {"server": "https://k8s.example.com:6443"}}
    info = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})

    found = wanted(kubectl.read(call(variables={"KUBERNETES_EXEC_INFO": info})))

    assert found.url == "https://k8s.example.com:6443"
    assert json.loads(kubectl.answer(found, "at-1", UNTIL).text) == {
        "apiVersion": version, "kind": "ExecCredential",
        "status": {"token": "at-1", "expirationTimestamp": "2026-01-31T12:00:00Z"},
    }  # fmt: skip
    assert json.loads(kubectl.answer(found, "at-1", None).text)["status"] == {"token": "at-1"}


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ("", "missing or not JSON"),
        ("[" * 50_000, "missing or not JSON"),
        ("[]", "unsupported version"),
        (f'{{"apiVersion": "{V1}alpha1", "kind": "ExecCredential"}}', "unsupported version"),
        (f'{{"apiVersion": "{V1}", "kind": "ExecCredential", "spec": {{}}}}', "does not send the cluster's address"),
        (f'{{"apiVersion": "{V1}", "kind": "ExecCredential", "spec": null}}', "does not send the cluster's address"),
    ],
)
def test_a_kubeconfig_that_does_not_say_which_cluster_asks_gets_no_token(info: str, message: str) -> None:
    with pytest.raises(Misuse, match=message):
        kubectl.read(call(variables={"KUBERNETES_EXEC_INFO": info}))


def test_curl_and_pnpm_get_a_token_for_the_address_that_was_named() -> None:
    found = wanted(curl.read(call("https://api.example.com/orders")))

    assert curl.answer(found, 'a"b\\', None).text == (
        'url = "https://api.example.com/orders"\noauth2-bearer = "a\\"b\\\\"\n'
    )
    registry = wanted(pnpm.read(call(registry="https://npm.example.com/")))
    assert (registry.url, pnpm.answer(registry, "at-1", None).text) == ("https://npm.example.com/", "Bearer at-1\n")
    with pytest.raises(Misuse):
        curl.read(call())
    with pytest.raises(Misuse):
        pnpm.read(call())


def test_aws_is_asked_for_the_role_with_the_token() -> None:
    found = wanted(aws.read(call(role_arn=ROLE, session_name="pat@example.com")))
    assert found.exchange is not None

    request = found.exchange.request("at-1")

    assert (request.method, request.url) == ("POST", "https://sts.amazonaws.com/")
    assert b"WebIdentityToken=at-1" in request.body
    assert b"RoleSessionName=pat%40example.com" in request.body


def sts(content: str, status: int = 200) -> Response:
    return Response(status, (("content-type", "text/xml"),), content.encode())


GIVEN = (
    "<AccessKeyId>A</AccessKeyId><SecretAccessKey>B</SecretAccessKey><SessionToken>C</SessionToken>"
    "<Expiration>2026-01-31T12:00:00Z</Expiration>"
)


def test_the_credentials_of_aws_are_passed_on_with_their_expiry() -> None:
    assert json.loads(read_answer(sts(f'<a xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{GIVEN}</a>'))) == {
        "Version": 1, "AccessKeyId": "A", "SecretAccessKey": "B", "SessionToken": "C",
        "Expiration": "2026-01-31T12:00:00Z",
    }  # fmt: skip


def test_a_refusal_of_aws_is_named_by_its_code_alone() -> None:
    with pytest.raises(Refused, match="AccessDenied"):
        read_answer(sts("<E><Error><Code>AccessDenied</Code><Message>at-1</Message></Error></E>", 403))
    with pytest.raises(Refused, match="AWS responded with status 503"):
        read_answer(sts("<html>", 503))
    with pytest.raises(Refused, match="AWS responded with status 400"):
        read_answer(sts("<E><Code>at-1 \x1b[31m</Code></E>".replace("\x1b", "&#27;"), 400))


@pytest.mark.parametrize(
    "content", ["", "<a/>", f"<a>{GIVEN[:60]}</a>", f'<!DOCTYPE a [<!ENTITY b "c">]><a>{GIVEN}</a>']
)
def test_an_answer_that_is_not_of_aws_is_none(content: str) -> None:
    with pytest.raises(Malformed):
        read_answer(sts(content))


@pytest.mark.parametrize("options", [{}, {"role_arn": "deploy"}, {"role_arn": ROLE, "session_name": "a b"}])
def test_a_role_of_aws_is_named_in_full(options: dict[str, str]) -> None:
    with pytest.raises(Misuse):
        aws.read(call(**options))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_an_answer_for_a_missing_login_without_the_token(name: str) -> None:
    problem: KeyfobError = LoginRequired("not logged in", hint="Run: keyfob login")

    refused = protocol_of(name).refuse(problem)

    assert refused.code != 0 or refused.text == "quit=1\n"


HOSTS = st.from_regex(r"[A-Za-z0-9.\-_@:\[\]\\?#% /]{0,20}", fullmatch=True)


@given(st.sampled_from(["http", "https", "HTTPS", "ftp", ""]), HOSTS, st.sampled_from(["", "/", "/a?b#c", "/\n", "/ "]))
def test_the_quick_path_takes_no_address_for_another_than_the_ordinary_one(scheme: str, host: str, path: str) -> None:
    url = f"{scheme}://{host}{path}"
    plain = plain_origin(url)

    assert plain in {"", origin_of(url)}
    assert not plain or is_safe(url)


@pytest.mark.parametrize(
    "url", ["https://a.example", "https://A.example:443/x", "http://localhost:80/", "http://127.0.0.1:1"]
)
def test_a_usual_address_is_read_by_the_quick_path(url: str) -> None:
    assert plain_origin(url) == origin_of(url) != ""
