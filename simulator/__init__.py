"""Simulated upstreams with faults on demand, for tests, demos and benchmarks.

    async with Simulator([SimulatedChannel("openai-a", "sk-sim-a")]) as simulator:
        simulator.base_url("openai-a")  # http://127.0.0.1:<port>; add /v1/images/generations
        simulator.url                   # the controls

Every channel listens on a port of its own, speaks the wire protocol of its provider (`openai`:
images.generate and images.edit, with streams, refusals and rate limits) and knows one
credential. Images are real PNG, JPEG or WebP files, the same for the same seed and request.
Nothing of a request is kept but its size and a keyed digest.

The controls, all JSON:

PUT /_faults/{channel}     Breaks a channel: {"kind": "status", "status": 500, "after": 0,
                           "times": null, "delay_ms": 0}. `simulator.faults` lists the kinds.
DELETE /_faults/{channel}  Heals a channel; DELETE /_faults heals all.
GET /_faults               Shows what is broken.
PUT /_settings             Image size, latency, rate limit; `simulator.knobs` lists them. PUT
                           /_settings/{channel} for one channel, DELETE for the defaults.
GET /_settings             Shows the settings.
GET /_calls                The newest calls (100,000 are kept), oldest first; ?channel=, ?limit=.
                           `simulator.calls` lists the fields. DELETE starts again at 0.
GET /_calls/count          How many calls each channel received.
GET /_channels             Names, dialects, base URLs.

`python -m simulator --help` runs it alone. It only ever listens on loopback.
"""

from simulator.app import SimulatedChannel, Simulator
from simulator.faults import Fault
from simulator.knobs import Knobs

__all__ = ["Fault", "Knobs", "SimulatedChannel", "Simulator"]
