"""Does a program find what the tenant offers?"""

from tests.wild.peer import Client, passes
from tests.wild.stage import Stage


@passes("discovery", "openid-client", "oauth4webapi", "requests-oauth2client")
def test_a_program_finds_every_endpoint_that_it_can_use(stage: Stage, client: Client) -> None:
    found = client("discovery", client_id="wild-native")
    assert found["issuer"] == stage.issuer
    assert found["token_endpoint"] == f"{stage.issuer}oauth/token"
    assert found["pushed_authorization_request_endpoint"] == f"{stage.issuer}oauth/par"
    assert found.get("introspection_endpoint") == stage.choose(None, f"{stage.issuer}oauth/introspect")


@passes("discovery", "openid-client", "oauth4webapi")
def test_a_program_finds_the_device_endpoint(stage: Stage, client: Client) -> None:
    found = client("discovery", client_id="wild-native")
    assert found["device_authorization_endpoint"] == f"{stage.issuer}oauth/device/code"
    # oauth4webapi looks at RFC 8414's address, too.
    assert found.get("same", True)
