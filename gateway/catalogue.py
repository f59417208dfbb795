"""Which catalogue files this process loads."""

from collections.abc import Mapping

from core.catalog.loader import Catalogue, embedded_files, load, shipped_files
from core.settings import Settings


def open_catalogue(settings: Settings, simulator: Mapping[str, str] | None) -> Catalogue:
    """The shipped files, or the demo's, and the operator's laid over them.

    *simulator* holds the addresses and credentials of the demo's channels; None: no demo.
    Raises CatalogueError.
    """
    files = shipped_files() if simulator is None else embedded_files()
    return load([*files, *settings.catalogue], {**settings.environment, **(simulator or {})})
