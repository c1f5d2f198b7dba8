"""What the gateway counts, for Prometheus; each replica counts for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from actors.progress import AgentStatus
from events.envelope import NewEvent

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS_S = (
    0.002,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    120.0,
)


class Metrics:
    """The gateway's counters."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mirix_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._latency = Histogram(
            "mirix_http_request_duration_seconds",
            "Time from the first byte in to the last byte out.",
            ("route",),
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._appended = Counter(
            "mirix_events_appended",
            "Events that the gateway appended.",
            ("type",),
            registry=self._registry,
        )
        self._lag = Gauge(
            "mirix_agent_lag_events",
            "Events between the end of the log and what the agent has handled.",
            ("shard", "agent"),
            registry=self._registry,
        )
        self._open = Gauge(
            "mirix_agent_open_causes",
            "What an agent still works on: answers, tool calls, generations.",
            ["shard", "agent"],
            registry=self._registry,
        )
        self._alive = Gauge(
            "mirix_agent_alive",
            "1 when the agent lives.",
            ("shard", "agent"),
            registry=self._registry,
        )

    def count_request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request under its route's template, never under its path (bounded labels)."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(route).observe(duration_s)

    def count_appended(self, events: Iterable[NewEvent]) -> None:
        """Count events that were appended."""
        for event in events:
            self._appended.labels(type(event.payload).__name__).inc()

    def show_agents(self, agents: Iterable[AgentStatus], ends: Mapping[int, int]) -> None:
        """Show how far each agent is behind the end of its shard's log."""
        for agent in agents:
            lag = max(0, ends.get(agent.shard, agent.through) - agent.through)
            self._lag.labels(str(agent.shard), agent.agent).set(lag)
            self._open.labels(str(agent.shard), agent.agent).set(agent.open)
            self._alive.labels(str(agent.shard), agent.agent).set(agent.alive)

    def forget_agents(self) -> None:
        """Show no agents: it is not known how far they are."""
        self._lag.clear()
        self._open.clear()
        self._alive.clear()

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
