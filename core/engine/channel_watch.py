"""What a process hears and tells of channels while requests run: operators, peers, alerts."""

import random
from collections.abc import Callable, Sequence

from core.catalog.entries import Catalogue
from core.engine.alerting import Alerting
from core.engine.channel_overlay import ChannelOverlay, Connect
from core.engine.fleet_metrics import FleetMetrics
from core.engine.health_sharing import HealthSharing
from core.engine.supervisor import Supervisor
from core.keyring import Keyring
from core.log import Emit
from core.metrics import Metrics
from core.policy.failover import Fleet
from storage.pool import AnyPool


class ChannelWatch:
    """The three together; *users* are handed every catalogue, as operators changed it."""

    def __init__(
        self,
        pool: AnyPool,
        fleet: Fleet,
        catalogue: Catalogue,
        users: Sequence[Callable[[Catalogue], None]],
        keyring: Keyring,
        metrics: Metrics,
        emit: Emit,
    ) -> None:
        book = fleet.health
        self.overlay = ChannelOverlay(pool, book, catalogue, users, emit)
        self._sharing = HealthSharing(book, keyring, catalogue, emit, random.random)
        self._alerting = Alerting(book, self.overlay, lambda: metrics.shed, emit)
        metrics.registry.register(FleetMetrics(fleet, self.overlay))

    def use(self, catalogue: Catalogue) -> None:
        """Go by another catalogue from now on."""
        self.overlay.use(catalogue)
        self._sharing.use(catalogue)

    def start(self, supervisor: Supervisor, dial: Callable[[str], Connect]) -> None:
        """Run the loops; *dial* gives what opens a connection of that name."""
        supervisor.run("alerting", self._alerting.keep)
        supervisor.run("channels", lambda: self.overlay.keep(dial("reapi-channels")))
        supervisor.run("signals", lambda: self._sharing.keep(dial("reapi-signals")))
