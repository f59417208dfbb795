"""The catalogue overlay that sends the demo's models to the static upstream. Pure."""

from collections.abc import Sequence

CHANNELS = ("openai-a", "openai-b", "openai-c")
"""Of the embedded demo (core/catalog/embedded/openai.toml)."""

VIDEO_CHANNELS = ("seedance-a", "seedance-b")
"""The same, for videos."""

_VIDEO = """
[channels.{name}]
base_url = "{url}"
poll_seconds = {poll}
maximum_in_flight = 100000
"""
_MODEL = """
[models.{model}]
display_name = "Benchmark"
owner = "bench"
kind = "image"
status = "active"
created = 2026-01-01
prices = [{{ unit = "image", credits = "7", effective_from = 2026-01-01 }}]

[models.{model}.parameters]
prompt = {{ type = "string", required = true, minimum = 1, maximum = 32000, description = "What." }}
output_count = {{ type = "integer", minimum = 1, maximum = 1, default = 1, description = "One." }}
quality = {{ type = "string", values = ["low"], default = "low", description = "Low." }}
"""

_CHANNEL = """
[channels.{name}]
model = "{model}"
dialect = "openai_images"
upstream_model = "gpt-image-2"
base_url = "{url}"
credential = {{ env = "SIMULATOR_KEY_OPENAI_A" }}
priority = {priority}
deadlines = {{ connect = 1, first_byte = {deadline}, idle = 5, total = 60 }}
"""
_PATIENT = 5


def videos(good: str, poll: float) -> str:
    """TOML: the demo's video channels on *good*, a base URL; looked at every *poll* seconds."""
    return "".join(_VIDEO.format(name=name, url=good, poll=poll) for name in VIDEO_CHANNELS)


def overlay(good: str, broken: str, fault_models: Sequence[str], deadline: float) -> str:
    """TOML: the demo's channels on *good*; each of *fault_models* first on *broken*.

    Both are base URLs; *deadline* is for the first byte from *broken*, in seconds.
    """
    parts = [f'[channels.{name}]\nbase_url = "{good}"\n' for name in CHANNELS]
    for model in fault_models:
        parts.append(_MODEL.format(model=model))
        for name, url, priority, seconds in (
            (f"{model}-first", broken, 0, deadline),
            (f"{model}-second", good, 1, _PATIENT),
        ):
            parts.append(
                _CHANNEL.format(
                    name=name, model=model, url=url, priority=priority, deadline=seconds
                )
            )
    return "\n".join(parts)
