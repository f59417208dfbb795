"""`reapi bridge`: REST only, in front of a core elsewhere. No database, no secrets, no state."""

from contextlib import AsyncExitStack

from core.engine.supervisor import Supervisor
from core.log import Stopping
from core.metrics import Metrics
from gateway.core_link import CoreLink, open_channel
from gateway.idle_memory import wait_quietly
from gateway.metrics import metrics_app
from gateway.process import begin, bound, settle_memory, stop_signal, url_of
from gateway.rest import CallerAddress, serve_rest
from rest_bridge.settings import ProcessSettings

GRACE_SECONDS = 7.0
"""Of the ten seconds that a stop may take, what running requests get."""


async def run_bridge(settings: ProcessSettings) -> int:
    """Serve until a signal; a second one ends at once. Core may start later."""
    metrics = Metrics()
    emit = metrics.emit_to(begin(settings.log_level))
    stopping = stop_signal()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(bound(settings.bind, settings.http_port))
        channel = await stack.enter_async_context(open_channel(settings.core))
        supervisor = await stack.enter_async_context(Supervisor(emit))
        supervisor.run("core-link", CoreLink(channel, emit).watch)
        caller = CallerAddress(settings.trusted_proxies, settings.token)
        extra = {"/metrics": metrics_app(metrics, None)}
        rest = await serve_rest(listener, channel, emit, extra, caller)
        stack.push_async_callback(rest.stop, GRACE_SECONDS)
        print(
            f"reAPI bridge is ready: {url_of(listener)}, in front of {settings.core.target}",
            flush=True,
        )
        settle_memory()
        await wait_quietly(stopping)
        emit(Stopping(rest.connection_count))
    return 0
