"""What holds for every test and doctest: no network, no real data unless asked for.

It lies in the root, not in tests/, because the doctests of course_utils need it too.
"""

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import hypothesis
import pytest

COURSE_DATA = os.environ.get("COURSE_DATA", "")  # what the caller set

hypothesis.settings.register_profile("course", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("course")


def is_loopback(host: str | bytes | None) -> bool:
    """Whether a host name or address is this machine."""
    host = os.fsdecode(host or "localhost")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_other_hosts(host: str | bytes | None) -> None:
    """Fail the test, with an exception that no `except Exception` swallows."""
    if not is_loopback(host):
        pytest.fail(f"a test tried to reach {os.fsdecode(host)}: only this machine is allowed")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Let sockets and name look-ups reach nothing but loopback addresses."""

    def guard(original, host_of):
        def guarded(*args, **kwargs):
            refuse_other_hosts(host_of(*args, **kwargs))
            return original(*args, **kwargs)

        return guarded

    def peer(sock, *args):
        local = sock.family not in (socket.AF_INET, socket.AF_INET6)
        return None if local else args[-1][0]  # the address comes last: (host, port, ...)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            original = getattr(socket.socket, name)
            patch.setattr(socket.socket, name, guard(original, peer))
        for name in ("getaddrinfo", "gethostbyname"):
            original = getattr(socket, name)
            patch.setattr(socket, name, guard(original, lambda host, *_, **__: host))
        yield


@pytest.fixture(autouse=True, scope="session")
def _embedded_data() -> Iterator[None]:
    """Run on the embedded stand-ins, whatever the caller's environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA", "embedded")
        patch.setenv("COURSE_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real files that the caller's COURSE_DATA names."""
    if not Path(COURSE_DATA or "embedded").is_dir():
        pytest.skip("set COURSE_DATA to a folder with the real files to run this")
    return Path(COURSE_DATA).resolve()
