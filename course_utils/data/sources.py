"""Where data come from: a path, the cache, the network, or what the course carries with it.

What belongs here: finding and fetching files, whatever is in them. What a file must hold is said by
the module of its data set, which hands ``read`` and ``check`` in.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, TypeVar
from urllib.parse import urlsplit

__all__ = ["ROOT", "DataError", "DataSource", "Kind", "Wanted", "cache_folders", "download", "load",
           "offline", "reason"]

ROOT = Path(__file__).resolve().parents[2]
CONNECT_SECONDS, READ_SECONDS = 10, 30

Kind = Literal["path", "cache", "download", "embedded"]


class DataError(Exception):
    """Data that cannot be used; the message names the culprit and the remedy."""


@dataclass(frozen=True)
class DataSource:
    """Where data came from; ``print`` it first thing in a notebook.

    Attributes:
        kind: ``"path"`` (a file you named), ``"cache"``, ``"download"`` or ``"embedded"``.
        text: what the data are.
        note: why these are not the real data, where that may surprise; else empty.
        real: whether the world made them, not a random generator.
    """

    kind: Kind
    text: str
    note: str = ""
    real: bool = True

    def __str__(self) -> str:
        return f"Data: {self.text}" + (f", {self.note}" if self.note else "")


class HasSource(Protocol):
    """What every loader returns; a frozen dataclass."""

    source: DataSource


Data = TypeVar("Data", bound=HasSource)


@dataclass(frozen=True)
class Wanted:
    """A published data set: how it is found, fetched and recognised.

    Attributes:
        names: the files or folders it comes in, the preferred one first.
        mine: whether a file that ``COURSE_DATA`` names may be this data set rather than another.
        mirrors: addresses, tried in turn; each ends in one of ``names``.
        megabytes: the size of the download.
        how_to_get: ends the message about a file that is missing or damaged.
        check: raises :class:`DataError` unless a file is the published one.
    """

    names: Sequence[str]
    mine: Callable[[Path], bool]
    mirrors: Sequence[str]
    megabytes: int
    how_to_get: str
    check: Callable[[Path], object]


def load(path: str | os.PathLike[str] | None, wanted: Wanted, *,
         read: Callable[[Path, Kind], Data], stand_in: Callable[[], Data]) -> Data:
    """Load from ``path``, ``COURSE_DATA``, the cache or the network, or else the stand-in.

    Args:
        path: a file, a folder that holds one, ``"embedded"``, or ``None`` to look further.
        wanted: the data set.
        read: makes the data from a place and the kind of source it is.
        stand_in: makes what the course carries with it; its note will say why it was needed.

    Raises:
        DataError: what was named is missing or cannot be used.
    """
    asked = os.environ.get("COURSE_DATA", "") if path is None else os.fspath(path)
    if asked == "embedded":
        return stand_in()
    place = _find(asked, wanted, required=path is not None) if asked or path is not None else None
    if place is not None:
        return read(place, "path")
    try:
        return _cached_or_downloaded(wanted, read)
    except DataError as error:
        data = stand_in()
        return replace(data, source=replace(data.source, note=f"because {error}"))


def offline() -> bool:
    """Whether ``COURSE_OFFLINE`` forbids the network."""
    return os.environ.get("COURSE_OFFLINE", "0") not in ("", "0")


def reason(error: Exception) -> str:
    """What an exception says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def cache_folders() -> list[Path]:
    """The course's own folder, then the user's."""
    import pooch

    own = [ROOT / "data" / "cache"] if (ROOT / "data").is_dir() else []
    return [*own, Path(pooch.os_cache("classification-losses-course"))]


def _find(asked: str, wanted: Wanted, *, required: bool) -> Path | None:
    """The file or folder of the data set that ``asked`` names, itself or by what it holds."""
    try:
        place = Path(asked).expanduser()
        is_file, is_folder = place.is_file(), place.is_dir()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{asked!r} cannot be looked up ({reason(error)}); correct it") from error
    if is_file:
        return place if required or wanted.mine(place) else None
    if not is_folder:
        if required:
            raise DataError(f"{asked!r} does not exist; correct the path, {wanted.how_to_get}")
        raise DataError(f"COURSE_DATA is {asked!r}, which does not exist; correct it, unset it to "
                        'have the file downloaded, or set it to "embedded", the stand-in')
    found = next((place / name for name in wanted.names if (place / name).exists()), None)
    if found is None and wanted.mine(place):
        return place
    if found is None and required:
        raise DataError(f"{asked!r} holds none of {', '.join(wanted.names)}; {wanted.how_to_get}")
    return found


def _cached_or_downloaded(wanted: Wanted, read: Callable[[Path, Kind], Data]) -> Data:
    folders = cache_folders()
    for place in (folder / name for folder in folders for name in wanted.names):
        if place.exists():
            try:
                return read(place, "cache")
            except DataError as error:
                raise DataError(f"{error} (or delete it, to have it downloaded anew)") from error
    if offline():
        raise DataError("COURSE_OFFLINE=1 forbids the download")
    return read(download(wanted.mirrors, folders, check=wanted.check, megabytes=wanted.megabytes),
                "download")


def download(mirrors: Sequence[str], folders: Sequence[Path], *, check: Callable[[Path], object],
             megabytes: int,
             remedy: str = "set COURSE_DATA to your own copy of the file") -> Path:
    """Bring a file from the first mirror that has it into the first folder that can be written.

    The file takes its name only after ``check``, so that nothing half-written is ever found there.

    Raises:
        DataError: no folder can be written, or no mirror sent the file.
    """
    folder = _first_writable(folders, remedy)
    failures = []
    for url in mirrors:
        try:
            return _fetch(url, folder, check)
        except DataError as error:
            failures.append(str(error))
        except OSError as error:
            raise DataError(f"{folder} cannot take the download ({error.strerror}); free "
                            f"{megabytes} MB there, or {remedy}") from error
    raise DataError(f"{' and '.join(failures)}; run again when that is mended, or {remedy}")


def _first_writable(folders: Sequence[Path], remedy: str) -> Path:
    refusals = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            refusals.append(f"{folder} cannot be written ({error.strerror})")
        else:
            return folder
    raise DataError(f"{' and '.join(refusals)}; run again when that is mended, or {remedy}")


def _fetch(url: str, folder: Path, check: Callable[[Path], object]) -> Path:
    """Download ``url``; the file appears in ``folder`` only when ``check`` lets it pass."""
    address = urlsplit(url)
    target = folder / Path(address.path).name
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as place:
        part = Path(place) / target.name
        _transfer(url, part)
        try:
            check(part)
        except DataError as error:
            raise DataError(f"what {address.hostname} sent is not the published file") from error
        os.replace(part, target)
    return target


def _transfer(url: str, part: Path) -> None:
    """Copy ``url`` to ``part``; a connection that breaks is tried once more."""
    import requests
    from pooch import HTTPDownloader

    from ..runtime import Progress

    host = urlsplit(url).hostname
    for last_try in (False, True):
        try:
            with part.open("wb") as file, Progress(f"downloading {part.name}", unit="B") as bar:
                HTTPDownloader(progressbar=bar, chunk_size=2**18,
                               timeout=(CONNECT_SECONDS, READ_SECONDS))(url, file, None)
            return
        except requests.HTTPError as error:
            raise DataError(f"{host} answered {error.response.status_code}") from error
        except requests.RequestException as error:
            if last_try or isinstance(error, requests.ConnectTimeout):
                raise DataError(f"the connection to {host} failed "
                                f"({type(error).__name__})") from error
