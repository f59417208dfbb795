"""Simulated upstreams with faults on demand, for tests, demos and benchmarks.

    channels = [
        SimulatedChannel("openai-a", "sk-sim-a"),
        SimulatedChannel("seedance-a", "ark-sim-a", "ark"),
    ]
    async with Simulator(channels) as simulator:
        simulator.base_url("openai-a")  # http://127.0.0.1:<port>; add /v1/images/generations
        simulator.url                   # the controls

Every channel listens on a port of its own, knows one credential and speaks the wire protocol of
its provider, with its streams, refusals and rate limits; the first lines of each dialect's module
list its routes: `openai` (`simulator.openai_images`), `gemini` (`simulator.gemini`), `ark`
(`simulator.ark`: images, and video jobs with callbacks and hosted results), `dashscope`
(`simulator.dashscope`: video jobs), `vidu` (`simulator.vidu`: video jobs with signed callbacks),
`xai` (`simulator.xai`: images, and video jobs), `veo` (`simulator.veo`: video jobs on both of
Google's APIs). `azure` (`simulator.azure_images`: OpenAI's images), `topaz` (`simulator.topaz`:
jobs that begin with an upload), `fal`, `replicate`, `wavespeed`, `kie` and `openrouter` (the
modules of these names: others' models), `recraft` (`simulator.recraft`: images behind links).
Speech is spoken by `openai` (`simulator.openai_speech`), `azurespeech` (`simulator.azure_speech`)
and `elevenlabs` (`simulator.elevenlabs`). Images are real PNG, JPEG or WebP files, videos real MP4
files and sounds real files of every format that can be asked for, the same for the same seed and
request. Nothing of a request is kept but its size and a keyed digest; of a job also what its
protocol shows of it again: its settings, its marks (seed, safety_identifier, payload), its callback
URL.

The controls, all JSON:

PUT /_faults/{channel}     Breaks a channel: {"kind": "status", "status": 500, "after": 0,
                           "times": null, "delay_ms": 0}. `simulator.faults` lists the kinds.
DELETE /_faults/{channel}  Heals a channel; DELETE /_faults heals all.
GET /_faults               Shows what is broken.
PUT /_settings             Image size, latency, rate limit, how long jobs take;
                           `simulator.knobs` lists them. PUT
                           /_settings/{channel} for one channel, DELETE for the defaults.
GET /_settings             Shows the settings.
GET /_calls                The newest calls (100,000 are kept), oldest first; ?channel=, ?limit=.
                           `simulator.calls` lists the fields. DELETE starts again at 0.
GET /_calls/count          How many calls each channel received, in all and by method and path.
GET /_jobs                 The jobs each channel made (the newest 50,000), oldest first, lost and
                           deleted ones included; ?channel=, ?status=. `simulator.jobs` lists the
                           fields.
GET /_jobs/count           How many jobs each channel made since the start, and how they stand.
GET /_channels             Names, dialects, base URLs.

`Simulator(…, stripe=SimulatedStripe("sk_test_…"))` adds a Stripe account (`simulator.stripe`), with
controls below `/_stripe`: docs/simulated-stripe.md.
`Simulator(…, sign_in=SimulatedApp("client id", "client secret"))` adds GitHub and Google to sign in
with (`simulator.oauth`, below `/_oauth`) and a bot check (`simulator.bot_check`).
`Simulator(…, mail_key="re_…")` adds Resend and a mail server (`simulator.mail`), whose mails are
shown at `/_mail/` (`simulator.mail_control`).

`python -m simulator --help` runs it alone. It only ever listens on loopback.
"""

from simulator.app import SimulatedChannel, SimulatedStripe, Simulator
from simulator.faults import Fault
from simulator.knobs import Knobs
from simulator.oauth_books import SimulatedApp

__all__ = ["Fault", "Knobs", "SimulatedApp", "SimulatedChannel", "SimulatedStripe", "Simulator"]
