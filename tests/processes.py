"""Which processes run."""

from gateway.proof.processes import PROC


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        status = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
