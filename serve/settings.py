"""What the operator sets about the gateway; `cluster.settings` composes it."""

from __future__ import annotations

import msgspec

from events.errors import Misconfigured

PORT_MAX = 65_535
#: Ports in a row that Serve needs beside the one that clients use.
INNER_PORTS = 50


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Address, size and limits of the gateway.

    `haproxy` puts HAProxy (it comes with Serve) in front of the replicas instead of Serve's own
    proxy in Python: a third of the latency and three times the throughput on two cores. On a
    cluster Serve then also opens HAProxy's statistics, without a key, on a port of every interface;
    they hold counts and no content. (On one machine `cluster.haproxy` keeps them to it.) Requests
    that are no HTTP, or whose headers do not arrive, HAProxy answers itself, with its own 400 and
    408 in text/html: no setting of Serve makes problems of those.

    `body_timeout_s` is the time that a whole body may take to arrive, of a caller that is known.
    `event_streams_max` is how many streams of events a replica keeps open at a time; each takes one
    of its `ongoing_requests_max`. A stream ends after `event_stream_s_max`: its client comes back
    with the place that it got to, and shows its key again. `models` are the names under which
    language models can be asked for, the default first, `model_kinds` what each of them is.

    `ws_connections_max` is how many WebSockets a replica keeps open at a time; they, too, take a
    request's place. A quarter as many more may be open whose key is still to come. One of them may
    be in `ws_rooms_max` rooms and wait for `ws_answers_max` answers.
    """

    host: str = "127.0.0.1"
    port: int = 47_283
    replicas: int = 1
    haproxy: bool = True
    ongoing_requests_max: int = 256
    queued_requests_max: int = 1_024
    body_bytes_max: int = 4 * 1024 * 1024
    body_timeout_s: float = 10.0
    messages_max: int = 500
    message_chars_max: int = 100_000
    document_chars_max: int = 1_000_000
    read_timeout_s: float = 10.0
    wait_timeout_s: float = 30.0
    answer_timeout_s: float = 120.0
    past_timeout_s: float = 60.0
    event_streams_max: int = 32
    event_stream_s_max: float = 3_600.0
    ready_lag_events_max: int = 10_000
    status_age_s_max: float = 0.5
    keys_age_s_max: float = 5.0
    models: tuple[str, ...] = ()
    model_kinds: tuple[str, ...] = ()
    ws_connections_max: int = 64
    ws_rooms_max: int = 16
    ws_answers_max: int = 4

    def __post_init__(self) -> None:
        """Refuse values that no gateway can work with.

        Raises:
            Misconfigured: a port out of range or a bound that is not positive.
        """
        if not 0 < self.port <= PORT_MAX:
            raise Misconfigured(f"serve port {self.port} is not between 1 and {PORT_MAX}")
        # Two events of a batch are not messages at most (a person seen first, a chat's context).
        if not 0 < self.messages_max <= 900:
            raise Misconfigured("messages_max must be between 1 and 900: one request is one batch")
        for name in (
            "replicas",
            "ongoing_requests_max",
            "queued_requests_max",
            "body_bytes_max",
            "body_timeout_s",
            "message_chars_max",
            "document_chars_max",
            "read_timeout_s",
            "wait_timeout_s",
            "answer_timeout_s",
            "past_timeout_s",
            "event_streams_max",
            "event_stream_s_max",
            "ws_connections_max",
            "ws_rooms_max",
            "ws_answers_max",
        ):
            if getattr(self, name) <= 0:
                raise Misconfigured(f"{name} must be greater than 0, not {getattr(self, name)}")

    def environment(self, inner_port: int) -> dict[str, str]:
        """Return what must be in the environment before Ray starts and before it is imported.

        Args:
            inner_port: the first of `INNER_PORTS` free ports in a row, for Serve's own use; systems
                side by side need different ones.
        """
        return {
            # Serve puts the id that it is sent on answers as it is: settled before it reads it.
            "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve.observing:in_front_of_serve",
            "RAY_SERVE_ENABLE_HA_PROXY": "1" if self.haproxy else "0",
            # The gateway waits for nothing on its loop; a loop of its own beside Serve's would cost
            # every request, and every piece of a stream, a change of thread.
            "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
            "RAY_SERVE_HAPROXY_STATS_PORT": str(inner_port),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(inner_port + 1),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(inner_port + 2),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(inner_port + 3),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(inner_port + INNER_PORTS - 1),
            # Serve's 30 s are for load balancers that learn slowly; HAProxy learns at once.
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
            "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
        }
