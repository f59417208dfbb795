"""Where core's Unix socket may be, and what becomes of one that is there already."""

import socket
import stat

import pytest

from gateway import socket_file
from gateway.process import ServeError


@pytest.fixture
def path(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path / "core.sock"


def listening(path):
    """A socket that listens at *path*."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_a_socket_is_made_for_its_owner_alone(path):
    with socket_file.place(path), listening(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_missing_is_made_for_its_owner_alone(path):
    with socket_file.place(path.parent / "new" / "core.sock"):
        pass

    assert stat.S_IMODE((path.parent / "new").stat().st_mode) == 0o700


def test_a_stale_socket_makes_room(path):
    listening(path).close()
    assert path.is_socket()

    with socket_file.place(path):
        assert not path.exists()


def test_a_socket_that_somebody_listens_on_stays(path):
    with (
        listening(path),
        pytest.raises(ServeError, match="REAPI_GRPC_BIND"),
        socket_file.place(path),
    ):
        pass

    assert path.is_socket()


def test_a_file_that_is_no_socket_stays(path):
    path.write_text("mine")

    with pytest.raises(ServeError, match="REAPI_GRPC_BIND"), socket_file.place(path):
        pass

    assert path.read_text() == "mine"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(path, mode):
    path.parent.chmod(mode)

    with pytest.raises(ServeError, match="REAPI_GRPC_BIND"), socket_file.place(path):
        pass


def test_a_socket_that_took_the_name_meanwhile_is_left_alone(path):
    with listening(path):
        known = socket_file.identity(path)
        path.rename(path.with_name("old.sock"))
        with listening(path):
            socket_file.remove(path, known)
            assert path.is_socket()
            socket_file.remove(path, socket_file.identity(path))

    assert not path.exists()
