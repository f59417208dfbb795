"""Opens a core with everything that it stands on: keys, database, catalogue, outputs."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import storage
from core.app import Core, open_core
from core.engine.catalogue_versions import CatalogueChanged
from core.ground import CoreConfig
from core.legal.versions import PolicyError
from core.log import Emit
from core.settings import Settings
from gateway.catalogue import CatalogueFiles
from gateway.demo import DemoError, SimulatorProcess
from gateway.process import ServeError
from gateway.sandbox import SandboxSimulator
from storage.embedded import EmbeddedPostgres, PostgresError
from storage.migrate import MigrationError, migrate
from storage.pool import StorageUnavailable
from storage.s3_errors import BucketError

MIGRATIONS = Path(storage.__file__).parent / "migrations"


@contextmanager
def start_errors() -> Iterator[None]:
    """Turn what an operator can do something about into ServeError."""
    try:
        yield
    except CatalogueChanged as error:
        raise ServeError(f"the catalogue cannot be activated: {error}") from error
    except PolicyError as error:
        raise ServeError(f"the policies cannot be published: {error}") from error
    except BucketError as error:
        raise ServeError(
            f"the bucket of REAPI_BUCKET_URL refused a test object: {error.code} "
            f"(status {error.status}); check its name, region and endpoint, and the permissions "
            f"of AWS_ACCESS_KEY_ID"
        ) from error
    except (PostgresError, MigrationError, StorageUnavailable, DemoError, OSError) as error:
        raise ServeError(str(error) or type(error).__name__) from error


async def open_configured_core(
    settings: Settings,
    stack: AsyncExitStack,
    emit: Emit,
    public_url: str,
    simulator: SimulatorProcess | None = None,
) -> Core:
    """Open everything in order; *stack* closes it in reverse.

    With a *simulator*, which is started too, the catalogue and the Stripe account are the demo's.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keyring = settings.open_keyring()
    database_url = await _peers(settings, stack, simulator)
    await migrate(database_url, MIGRATIONS)
    variables: Mapping[str, str] | None = None
    if simulator is not None:
        variables = simulator.environment
    sandbox = SandboxSimulator(simulator)
    stack.push_async_callback(sandbox.stop)
    files = CatalogueFiles(settings, variables, keyring)
    catalogue = files.read()
    config = CoreConfig(
        database_url,
        keyring,
        catalogue,
        settings.outputs,
        public_url,
        webhook_networks=settings.webhook_networks,
        files=files,
        stripe=settings.stripe if simulator is None else simulator.stripe,
        checkout_origins=settings.checkout_origins,
        sandbox=sandbox.catalogue if settings.sandbox else None,
        bridge_token=settings.bridge_token,
        people=settings.people if simulator is None else simulator.people(settings.people),
    )
    return await stack.enter_async_context(open_core(config, emit))


async def _peers(
    settings: Settings, stack: AsyncExitStack, simulator: SimulatorProcess | None
) -> str:
    """Start the embedded PostgreSQL and the simulator side by side; returns the database's URL."""
    postgres = None
    starts = []
    if settings.database_url is None:
        postgres = EmbeddedPostgres(settings.home / "postgres")
        stack.push_async_callback(postgres.stop)
        starts.append(postgres.start())
    if simulator is not None:
        stack.push_async_callback(simulator.stop)
        starts.append(simulator.start())
    await asyncio.gather(*starts)
    if settings.database_url is not None:
        return settings.database_url.reveal()
    assert postgres is not None
    return postgres.near_url
