"""The catalogue that every simulated world begins with."""

from core.catalog.entries import Catalogue
from core.catalog.loader import embedded_files, load


def base_catalogue() -> Catalogue:
    """The embedded catalogue, at addresses that do not exist."""
    names = [f"OPENAI_{name}" for name in ("A", "B", "C")] + [f"SEEDANCE_{name}" for name in "AB"]
    env = {f"SIMULATOR_URL_{name}": "http://sim" for name in names}
    env |= {f"SIMULATOR_KEY_{name}": "sk-x" for name in names}
    return load(embedded_files(), env)
