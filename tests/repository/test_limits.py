"""Parameters of requests are read in one module, which limits them."""

import ast

import pytest

from tools.source import Module, modules

READERS = {"read_form", "read_json", "read_json_list", "parse_qs", "parse_qsl"}
# `parameters` is the place. The others read what the tenant itself has encrypted.
MAY_READ = {
    "server/endpoints/oauth/parameters.py",
    "server/endpoints/pages/mail_link.py",
    "server/endpoints/pages/sealed_login.py",
}


@pytest.mark.parametrize(
    "module",
    [module for module in modules("server") if "/endpoints/" in module.place and module.place not in MAY_READ],
    ids=lambda module: module.place,
)
def test_an_endpoint_reads_no_parameters_itself(module: Module) -> None:
    """[FS-04] Else a parameter without a limit could be remembered."""
    tree = ast.parse(module.path.read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert not imported & READERS
