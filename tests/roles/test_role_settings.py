"""What each role reads of the environment: little, checked at start, wrong values by name."""

import pytest

import rest_bridge.settings
from core.settings import ServerTls, Settings
from core.settings_values import SettingsError
from gateway.core_link import cause
from gateway.process import ServeError
from gateway.tls import channel_credentials, server_credentials
from rest_bridge.settings import CoreAddress, ProcessSettings
from tests.role_processes import STOP_SECONDS, launch

PUBLIC = {"REAPI_PUBLIC_URL": "http://127.0.0.1:8080"}
LONG = "unix:/" + "x" * 107


@pytest.fixture
def pem(tmp_path):
    file = tmp_path / "some.pem"
    file.write_text("not a certificate")
    return str(file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REAPI_GRPC_BIND", "localhost"),
        ("REAPI_GRPC_BIND", "127.0.0.1:50051"),
        ("REAPI_GRPC_BIND", "unix:relative"),
        ("REAPI_GRPC_BIND", "127.0.0.1,"),
        ("REAPI_GRPC_BIND", LONG),
        ("REAPI_GRPC_TLS_CERT", "/no/such.pem"),
        ("REAPI_PUBLIC_URL", ""),
        ("REAPI_BRIDGE_TOKEN", "x" * 31),
        ("REAPI_BRIDGE_TOKEN", "ü" * 32),
        ("REAPI_SANDBOX", "maybe"),
    ],
)
def test_a_core_refuses_a_wrong_value_by_name(name, value):
    with pytest.raises(SettingsError, match=name):
        Settings.for_core({**PUBLIC, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REAPI_CORE", "127.0.0.1"),
        ("REAPI_CORE", ":50051"),
        ("REAPI_CORE", "::1:50051"),
        ("REAPI_CORE", "http://127.0.0.1:50051"),
        ("REAPI_CORE", "127.0.0.1:70000"),
        ("REAPI_CORE", "unix:relative"),
        ("REAPI_CORE", LONG),
        ("REAPI_CORE_TLS_CA", "/no/such.pem"),
        ("REAPI_CORE_TLS_NAME", "core.test"),
        ("REAPI_BIND", "localhost"),
        ("REAPI_HTTP_PORT", "65536"),
        ("REAPI_LOG_LEVEL", "loud"),
        ("REAPI_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("REAPI_BRIDGE_TOKEN", "ü" * 32),
    ],
)
def test_a_bridge_refuses_a_wrong_value_by_name(name, value):
    with pytest.raises(rest_bridge.settings.SettingsError, match=name):
        ProcessSettings.from_env({name: value})


def test_the_token_of_bridges_is_shown_nowhere():
    token = "canary" * 6
    of_core = Settings.for_core({**PUBLIC, "REAPI_BRIDGE_TOKEN": token})
    of_bridge = ProcessSettings.from_env({"REAPI_BRIDGE_TOKEN": token})

    assert of_core.bridge_token is not None
    assert of_core.bridge_token.reveal() == of_bridge.token == token
    assert "canary" not in repr((of_core, of_bridge))


def test_a_bridge_reads_nothing_that_it_does_not_need():
    settings = ProcessSettings.from_env(
        {"REAPI_DATABASE_URL": "canary", "REAPI_SECRET_FILE": "canary", "OPENAI_API_KEY": "canary"}
    )

    assert "canary" not in repr(settings)
    assert (settings.bind, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.core == CoreAddress("127.0.0.1:50051")


@pytest.mark.parametrize("target", ["127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/run/core.sock"])
def test_a_bridge_may_do_without_tls_on_its_own_machine(target):
    assert CoreAddress.from_env({"REAPI_CORE": target}) == CoreAddress(target)


@pytest.mark.parametrize("target", ["10.0.0.7:50051", "core:50051", "[2001:db8::1]:50051"])
def test_a_bridge_goes_to_another_machine_with_tls_only(target, pem):
    with pytest.raises(rest_bridge.settings.SettingsError, match="REAPI_CORE_TLS_CA must be set"):
        CoreAddress.from_env({"REAPI_CORE": target})

    assert CoreAddress.from_env({"REAPI_CORE": target, "REAPI_CORE_TLS_CA": pem}).tls_ca


def test_a_core_listens_off_loopback_with_tls_only(pem):
    tls = {"REAPI_GRPC_TLS_CERT": pem, "REAPI_GRPC_TLS_KEY": pem}

    with pytest.raises(SettingsError, match="REAPI_GRPC_TLS_CERT"):
        Settings.for_core({**PUBLIC, "REAPI_BIND": "10.0.0.7"})
    with pytest.raises(SettingsError, match="REAPI_GRPC_TLS_KEY"):
        Settings.for_core({**PUBLIC, "REAPI_GRPC_TLS_CERT": pem})
    assert Settings.for_core({**PUBLIC, **tls, "REAPI_BIND": "10.0.0.7"}).grpc_tls
    assert (
        Settings.for_core(
            {**PUBLIC, "REAPI_BIND": "10.0.0.7", "REAPI_GRPC_BIND": "::1,unix:/run/reapi/core.sock"}
        ).grpc_tls
        is None
    )


def test_a_core_leaves_the_port_of_rest_to_its_bridge():
    assert Settings.for_core(PUBLIC).http_port == 8081
    assert Settings.from_env(PUBLIC).http_port == 8080


def test_files_that_are_no_certificates_are_refused_at_start(pem, tmp_path):
    with pytest.raises(ServeError, match="REAPI_GRPC_TLS_CERT"):
        server_credentials(ServerTls(tmp_path / "some.pem", tmp_path / "some.pem"))
    with pytest.raises(ServeError, match="REAPI_CORE_TLS_CA"):
        channel_credentials(tmp_path / "some.pem")


@pytest.mark.parametrize(
    ("role", "variable", "value"),
    [("core", "REAPI_PUBLIC_URL", ""), ("bridge", "REAPI_CORE", "nowhere")],
)
def test_the_command_ends_with_2_and_names_the_variable(tmp_path, role, variable, value):
    started = launch(role, tmp_path, {variable: value})

    assert started.process.wait(STOP_SECONDS) == 2
    assert variable in started.log


def test_why_core_is_away_is_told_in_words_of_ours():
    assert cause("… Connection refused") == ("nobody_listens", "REAPI_CORE")
    assert cause("something that nobody has seen") == ("not_connected", "REAPI_CORE")
