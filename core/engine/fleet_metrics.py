"""How the channels stand, for Prometheus: read at each scrape, so that it costs requests nothing.

Labels are names of channels and ids of models of the catalogue, operations and our own words.
"""

import time
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.engine.alerting import ready_channels
from core.engine.channel_overlay import ChannelOverlay
from core.errors import Fault
from core.policy.failover import Fleet
from core.policy.health import Standing
from core.policy.overlay import Admission
from core.values import dataclass

STATES = {Standing.HEALTHY: 0, Standing.EJECTED: 1, Standing.PROBE_DUE: 2, Standing.PROBING: 3}
ADMISSIONS = {Admission.OPEN: 0, Admission.DRAINING: 1, Admission.DISABLED: 2}
_ALERTS = {
    Fault.AUTH: ("reapi_credential_refused", "1 while the provider refuses the credential"),
    Fault.QUOTA: ("reapi_upstream_balance_low", "1 while the balance at the provider is spent"),
}


@dataclass(frozen=True, slots=True, eq=False)
class FleetMetrics(Collector):
    """The gauges of the channels of this process."""

    fleet: Fleet
    overlay: ChannelOverlay
    now: Callable[[], float] = time.monotonic

    def collect(self) -> Iterator[Metric]:
        """What a scrape is told."""
        yield self._states()
        yield self._admissions()
        yield from self._models()
        yield from self._alerts()
        yield self._in_flight()
        yield self._retries()

    def _states(self) -> Metric:
        family = GaugeMetricFamily(
            "reapi_channel_state",
            "0 healthy, 1 ejected, 2 waits for a probe, 3 is probed",
            labels=("channel", "operation"),
        )
        now = self.now()
        for health in self.fleet.health:
            family.add_metric([health.channel, health.operation], STATES[health.standing(now)])
        return family

    def _admissions(self) -> Metric:
        family = GaugeMetricFamily(
            "reapi_channel_admission", "0 open, 1 draining, 2 disabled", labels=("channel",)
        )
        overlay = self.overlay.overlay
        for name in self.overlay.catalogue.channels:
            family.add_metric([name], ADMISSIONS[overlay.rule(name).admission])
        return family

    def _models(self) -> Iterator[Metric]:
        """Of each model: how many channels it has, and how many of them can serve now."""
        known = GaugeMetricFamily("reapi_model_channels", "Channels of a model", labels=("model",))
        ready = GaugeMetricFamily(
            "reapi_model_channels_ready",
            "Channels of a model that are open, and not ejected for all that they were asked",
            labels=("model",),
        )
        routes = self.overlay.catalogue.routes
        fit = ready_channels(routes, self.overlay.overlay, self.fleet.health, self.now())
        for id_, count in fit.items():
            known.add_metric([id_], len(routes[id_]))
            ready.add_metric([id_], count)
        yield known
        yield ready

    def _alerts(self) -> Iterator[Metric]:
        """One for each credential that an operator must look at, for as long as that stands."""
        standing = self.fleet.health.alerts()
        for fault, (name, text) in _ALERTS.items():
            family = GaugeMetricFamily(name, text, labels=("channel", "credential"))
            for channel, credential in sorted(
                {(alert.channel, alert.credential) for alert in standing if alert.fault is fault}
            ):
                family.add_metric([channel, credential], 1)
            yield family

    def _in_flight(self) -> Metric:
        family = GaugeMetricFamily(
            "reapi_channel_in_flight", "Attempts in flight", labels=("channel",)
        )
        loads = {health.channel: health.load.in_flight for health in self.fleet.health}
        for channel, count in loads.items():
            family.add_metric([channel], count)
        return family

    def _retries(self) -> Metric:
        family = GaugeMetricFamily(
            "reapi_retry_budget_used_ratio",
            "Retries and hedges in flight, as a share of what is allowed now",
            labels=("channel",),
        )
        budget = self.fleet.budgets.channels
        for channel in sorted({health.channel for health in self.fleet.health}):
            family.add_metric([channel], budget.used(channel))
        return family
