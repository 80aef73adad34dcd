"""The SDKs of others, each in three processes with three threads: one refresh, and every call has the new token."""

import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.client.io.origin_files import OriginFiles
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.protocol.address import origin_of
from keyfob.protocol.scope import Scope
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer
from tests.loopback import says, serving
from tests.tls import Ground
from tests.wild import sdk_worker
from tests.wild.sdk_worker import SDKS, THREADS, app

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PROCESSES = 3
ANSWER = says(200, b'{"items": []}', content_type="application/json")


def started(stack: ExitStack, words: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    worker = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    stack.callback(worker.communicate)
    stack.callback(worker.kill)
    return worker


def lines_of(workers: list["subprocess.Popen[str]"]) -> list[str]:
    return [worker.stdout.readline().strip() for worker in workers]


@pytest.mark.parametrize("sdk", SDKS)
def test_the_processes_and_threads_of_an_sdk_share_one_refresh(sdk: str, tmp_path: Path) -> None:
    issuer, ground = StrictIssuer(), Ground.at(tmp_path)
    tls = ground.context() if sdk == "botocore" else None  # it sends bearer tokens over https only
    with issuer.serving(), serving({"/orders": ANSWER, "/v1/spaces": ANSWER}, tls) as api, ExitStack() as stack:
        profile = app(issuer.issuer, str(tmp_path)).profile
        stored = issuer.log_in(profile, expires_in=timedelta(hours=-1))
        ProfileFiles(tmp_path).save(profile)
        OriginFiles(tmp_path).add(profile, origin_of(api.url))  # for keyring; as `keyfob call --send-token` does
        run(FileVault(tmp_path).save("default", replace(stored, scope=Scope.of(["read:orders"]))))
        words = [sys.executable, sdk_worker.__file__, sdk, issuer.issuer, api.url, str(tmp_path)]
        environment = {**os.environ, "AWS_CA_BUNDLE": str(ground.ca), "KEYFOB_HOME": str(tmp_path)}
        workers = [started(stack, words, environment) for _ in range(PROCESSES)]
        assert lines_of(workers) == ["ready"] * PROCESSES
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert lines_of(workers) == [" ".join(["200"] * THREADS)] * PROCESSES

    assert [headers["authorization"] for _, _, headers, _ in api.came] == ["Bearer at-1-2"] * PROCESSES * THREADS
    assert (issuer.refreshes, issuer.reuses) == (1, [])
