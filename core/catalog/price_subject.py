"""What the price of a request follows from, by name: what a quote binds. Pure."""

from collections.abc import Iterable

from core.catalog import schema
from core.catalog.entries import Model
from core.model import Ask, Kind

COUNT, SECONDS, SOURCE, TEXT = "output_count", "duration", "video", "prompt"
MEASURES = (COUNT, SECONDS, SOURCE, TEXT)
"""How much of it there is: outputs, seconds of each, seconds of the videos that it is made from,
characters to say. No price has a condition of one of these names."""
_MODE = "mode"


def price_names(model: Model) -> list[str]:
    """The facts that the model's prices tell apart."""
    return sorted({name for row in model.prices for name in row.conditions})


def price_subject(model: Model, ask: Ask, names: Iterable[str]) -> dict[str, str]:
    """What is known of *names* and of the measures that *ask* is paid by, in the order to compare.

    What is not known yet (`auto`) is empty. A length is that which is billed, not that of the
    file: whoever sends another file of as many started seconds pays the same.
    """
    facts = schema.price_facts(model, ask) | {_MODE: str(ask.mode)}
    subject = {name: facts.get(name, "") for name in names}
    subject[COUNT] = str(ask.count)
    billed = schema.seconds_of(model, ask)
    counted = schema.counted_seconds(model, ask)
    if counted:
        subject[SECONDS] = str(counted)
    elif billed:
        subject[SOURCE] = str(billed)
    elif ask.kind is Kind.AUDIO:
        subject[TEXT] = str(len(ask.prompt))
    return subject


def parameter_of(model: Model, name: str) -> str:
    """What a caller changes to change the fact *name*: the mode follows from the files."""
    if name == _MODE:
        return "inputs"
    if name == "resolution" and model.resolutions:
        return "size"
    return name
