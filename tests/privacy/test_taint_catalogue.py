"""Credentials of channels: whatever is wrong with a catalogue, nobody prints or stores them."""

import pytest

from core.catalog.loader import load, shipped_files
from gateway.catalogue_command import check, show
from gateway.proof.canaries import Canaries

CHANNEL = """
[channels.mine]
model = "gpt-image-2"
dialect = "openai_images"
upstream_model = "gpt-image-2"
base_url = "https://api.example.org/v1"
credential = { env = "MY_KEY" }
"""
WRITTEN = {
    "as it should be": CHANNEL,
    "instead of its variable": CHANNEL.replace('{ env = "MY_KEY" }', '"CANARY"'),
    "in its table": CHANNEL.replace('"MY_KEY"', '"MY_KEY", key = "CANARY"'),
    "with a wrong type": CHANNEL.replace('{ env = "MY_KEY" }', '["CANARY"]'),
    "in a URL": CHANNEL.replace("https://", "https://CANARY:CANARY@"),
    "in a query": CHANNEL.replace("/v1", "/v1?key=CANARY"),
    "in a side URL": f'{CHANNEL}side_url = "https://CANARY@example.org"\n',
    "as an option": f'{CHANNEL}options = {{ key = "CANARY" }}\n',
    "in a field nobody knows": f'{CHANNEL}api_key = "CANARY"\n',
    "in no TOML": f"{CHANNEL}api_key = CANARY\n",
    "in a string without an end": f'{CHANNEL}api_key = "CANARY\n',
    "in a file": CHANNEL.replace('env = "MY_KEY"', 'file = "key"'),
}
GOOD = frozenset({"as it should be", "in a file", "as an option"})
"""Those with which a catalogue is loaded; what a dialect's options are called, it knows itself."""


@pytest.mark.parametrize("where", WRITTEN)
def test_a_credential_is_not_printed(tmp_path, capsys, where):
    canaries = Canaries()
    overlay, written = tmp_path / "overlay.toml", WRITTEN[where]
    while "CANARY" in written:
        written = written.replace("CANARY", canaries.plant(where), 1)
    overlay.write_text(written)
    (tmp_path / "key").write_text(canaries.plant("the file"))
    env = {"MY_KEY": canaries.plant("the variable")}

    codes = {check([overlay], env), show([overlay], env), show([overlay], env, as_json=True)}
    printed = capsys.readouterr()
    assert canaries.found_in((printed.out + printed.err).encode()) == set()
    assert "mine" in printed.out or "overlay.toml" in printed.out
    assert codes == ({0} if where in GOOD else {1})


def test_what_the_database_keeps_of_a_catalogue_has_no_credential(tmp_path):
    canaries = Canaries()
    for where in ("as it should be", "in a file"):
        overlay = tmp_path / "overlay.toml"
        overlay.write_text(WRITTEN[where])
        (tmp_path / "key").write_text(canaries.plant("the file"))
        loaded = load([*shipped_files(), overlay], {"MY_KEY": canaries.plant("the variable")})

        assert "mine" in loaded.channels
        assert canaries.found_in(loaded.content.encode()) == set()
        assert canaries.found_in(repr(loaded).encode()) == set()
