"""Metrics of a running tenant for Prometheus, served at a separate port.

Each label has few values, and callers cannot add values: a path that is not in the table of routes counts as `other`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import perf_counter
from typing import Final, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from keyfob.errors import KeyfobError, Misuse, StoreUnavailable
from keyfob.io.version import installed_version
from keyfob.protocol.http import Response
from keyfob.server.endpoints.routes import ONE_AUTHENTICATOR, ROUTES
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.ports import Limit, Store, Work
from keyfob.server.site import Site

T = TypeVar("T")
Operation = Literal["read", "write"]

POLLED_WITHIN: Final = timedelta(minutes=1)
_REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_STORE_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
_PATHS: Final = frozenset({*ROUTES, "/assets/style.css"})


class PrometheusMeter:
    """The meter of one tenant, with its own metrics registry. A separate thread responds to scrapes."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry = CollectorRegistry()
        self._requests = Counter(
            "keyfob_requests", "Requests with a response.", ("endpoint", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "keyfob_request_seconds", "Time from a complete request to its response.", ("endpoint",),
            buckets=_REQUEST_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._tokens = Counter(
            "keyfob_token_answers", "Responses of /oauth/token: issued, or the error.", ("grant", "outcome"),
            registry=self.registry,
        )  # fmt: skip
        self._refusals = Counter(
            "keyfob_limit_refusals", "Requests that a limit refused.", ("limit",), registry=self.registry
        )
        self._guesses = Counter(
            "keyfob_user_code_hit_odds",
            "Sum of the probabilities that wrong user codes of callers without a login would match a code in use.",
            registry=self.registry,
        )
        self._store_seconds = Histogram(
            "keyfob_store_seconds", "Time of a transaction, including its wait.", ("operation",),
            buckets=_STORE_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._store_errors = Counter(
            "keyfob_store_errors", "Transactions that failed in the store.", ("operation",), registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self._request_children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def watch(self, site: Site, lost_events: Callable[[], int]) -> None:
        """Make this the meter of a tenant, and read the tenant's state at each scrape."""
        self.registry.register(_State(site, lost_events))
        site.meter = self
        site.store = MeasuredStore(site.store, self)

    def request(self, path: str, status: int, seconds: float) -> None:
        key = (path, status)
        found = self._request_children.get(key)
        if found is None:
            known = ONE_AUTHENTICATOR if path.startswith(ONE_AUTHENTICATOR) else path
            endpoint = known if known in _PATHS else "other"
            found = self._requests.labels(endpoint, str(status)), self._seconds.labels(endpoint)
            if endpoint == path:
                self._request_children[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def token(self, grant: str, response: Response) -> None:
        # The label `error` has only the values of the table in server/wire.py.
        outcome = "issued" if response.status == 200 else str(json.loads(response.body or b"{}").get("error", ""))
        self._tokens.labels(grant.rpartition(":")[2].rpartition("/")[2], outcome).inc()

    def limited(self, limit: Limit) -> None:
        self._refusals.labels(limit).inc()

    def guessed(self, odds: float) -> None:
        self._guesses.inc(odds)

    def transaction(self, operation: Operation, seconds: float, *, has_failed: bool) -> None:
        """Count a transaction of the store."""
        self._store_seconds.labels(operation).observe(seconds)
        if has_failed:
            self._store_errors.labels(operation).inc()

    def serve(self, host: str, port: int) -> tuple[str, Callable[[], None]]:
        """Serve the metrics in a thread. Return the URL of the metrics, and a function that ends the thread.

        Raises:
            Misuse: The port is in use, or the address does not belong to this machine.
        """
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as problem:
            raise Misuse(
                f"cannot serve metrics on {host} port {port}: {problem.strerror}",
                code="port-taken",
                hint="Choose another port.",
                flags="--metrics-port",
            ) from None

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{server.server_port}/metrics", stop


class MeasuredStore:
    """A store whose transactions are counted and timed."""

    def __init__(self, store: Store, meter: PrometheusMeter) -> None:
        self._store = store
        self._meter = meter

    async def read(self, work: Work[T]) -> T:
        with _Timer(self._meter, "read"):
            return await self._store.read(work)

    async def write(self, work: Work[T]) -> T:
        with _Timer(self._meter, "write"):
            return await self._store.write(work)

    async def close(self) -> None:
        await self._store.close()


class _Timer:
    """Times a transaction of the store.

    If the function in the transaction raises a `KeyfobError`, this does not count as a failure of the store.
    """

    __slots__ = ("_began", "_meter", "_operation")

    def __init__(self, meter: PrometheusMeter, operation: Operation) -> None:
        self._meter = meter
        self._operation: Operation = operation

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        has_failed = kind is not None and issubclass(kind, Exception)
        if kind is not None and issubclass(kind, KeyfobError):
            has_failed = issubclass(kind, StoreUnavailable)
        self._meter.transaction(self._operation, perf_counter() - self._began, has_failed=has_failed)


class _State(Collector):
    """The values that are read from the tenant at each scrape."""

    def __init__(self, site: Site, lost_events: Callable[[], int]) -> None:
        self._site = site
        self._lost_events = lost_events

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily | InfoMetricFamily]:
        """Yield the tenant's current values as Prometheus metrics."""
        now = self._site.now()
        polled = [pace.polled_at for pace in self._site.paces.values()]
        pending = sum(1 for at in polled if at is not None and now - at < POLLED_WITHIN)
        yield GaugeMetricFamily(
            "keyfob_logins_pending", "Device logins whose program polled this process within the last minute.", pending
        )
        passwords = self._site.passwords
        waiting = passwords.waiting if isinstance(passwords, Argon2Passwords) else 0
        yield GaugeMetricFamily("keyfob_password_checks_waiting", "Passwords that wait to be checked.", waiting)
        yield CounterMetricFamily(
            "keyfob_audit_lost", "Events that could not be written to the audit log.", self._lost_events()
        )
        build = {"version": installed_version(), "python": platform.python_version()}
        yield InfoMetricFamily("keyfob_build", "The versions of keyfob and Python.", build)
