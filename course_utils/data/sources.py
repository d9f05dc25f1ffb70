"""Where data come from: a path, the cache, the network, or a stand-in that the course contains.

What belongs here: finding and fetching files, whatever they contain. The module of each data set
decides what its file must hold, and passes ``read`` and ``check``.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, TypeVar
from urllib.parse import urlsplit

__all__ = ["ROOT", "DataError", "DataSource", "Kind", "Wanted", "cache_folders", "download",
           "inside", "load", "offline", "reason"]

ROOT = Path(__file__).resolve().parents[2]
CONNECT_SECONDS, READ_SECONDS = 10, 30
YES, NO = ("1", "true", "yes"), ("", "0", "false", "no")  # of COURSE_OFFLINE, in any case

Kind = Literal["path", "cache", "download", "embedded"]


class DataError(Exception):
    """Data that cannot be used; the message names the cause and a remedy."""


@dataclass(frozen=True)
class DataSource:
    """Where data came from; a notebook prints it before anything else.

    Attributes:
        kind: ``"path"`` (a file you named), ``"cache"``, ``"download"`` or ``"embedded"``.
        text: what the data are.
        note: why these are not the data that the reader may expect; otherwise empty.
        real: whether these are real data, not made by a random generator.
    """

    kind: Kind
    text: str
    note: str = ""
    real: bool = True

    def __str__(self) -> str:
        return f"Data: {self.text}" + (f", {self.note}" if self.note else "")


class HasSource(Protocol):
    """The result of every loader: a frozen dataclass with a source."""

    source: DataSource


Data = TypeVar("Data", bound=HasSource)


@dataclass(frozen=True)
class Wanted:
    """A published data set: how it is found, fetched and recognised.

    Attributes:
        names: the names of its file or folder, the preferred one first.
        mine: whether a file or folder that ``COURSE_DATA`` names may be this data set rather than
            another, so that reading it gives the data or a message about what is wrong with it.
        holds: whether the content of a file or folder is certainly this data set, whatever its
            name is. Only the beginning is read.
        mirrors: addresses, tried one after the other; each ends in one of ``names``.
        megabytes: the size of the download.
        how_to_get: the end of the message about a file that is missing or damaged.
        check: raises :class:`DataError` unless a file is the published one.
    """

    names: Sequence[str]
    mine: Callable[[Path], bool]
    holds: Callable[[Path], bool]
    mirrors: Sequence[str]
    megabytes: int
    how_to_get: str
    check: Callable[[Path], object]


def load(path: str | os.PathLike[str] | None, wanted: Wanted, *,
         read: Callable[[Path, Kind], Data], stand_in: Callable[[], Data]) -> Data:
    """Load from ``path``, ``COURSE_DATA``, the cache or the network, or else the stand-in.

    Args:
        path: a file, a folder that holds one, ``"embedded"``, or ``None`` to try the other sources.
        wanted: the data set.
        read: makes the data from a file or folder and the kind of its source.
        stand_in: makes the data that the course contains; their note then says why they are needed.

    Raises:
        DataError: the file or folder that was named is missing or cannot be used.
    """
    asked = os.environ.get("COURSE_DATA", "") if path is None else os.fspath(path)
    if asked == "embedded":
        return stand_in()
    place, missed = None, ""
    if asked or path is not None:
        place, missed = _find(asked, wanted, required=path is not None)
    if place is not None:
        return read(place, "path")
    forbidden = offline()
    try:
        data = _cached_or_downloaded(wanted, read, forbidden)
    except DataError as error:
        data, missed = stand_in(), f"{missed}, and {error}" if missed else str(error)
    if not missed:
        return data
    return replace(data, source=replace(data.source, note=f"because {missed}"))


def offline() -> str:
    """The setting of ``COURSE_OFFLINE`` that forbids the network, or ``""`` if none does.

    Raises:
        DataError: ``COURSE_OFFLINE`` is neither yes nor no.
    """
    setting = os.environ.get("COURSE_OFFLINE", "")
    answer = setting.strip().lower()
    if answer not in YES + NO:
        raise DataError(f"COURSE_OFFLINE is {setting!r}; set it to 1, true or yes to forbid the "
                        "network, or to 0, false or no to allow it")
    return f"COURSE_OFFLINE={setting.strip()}" if answer in YES else ""


def reason(error: Exception) -> str:
    """The first line of an exception's message, or the name of its class."""
    text = getattr(error, "strerror", None) or str(error)
    return (str(text).strip().splitlines() or [type(error).__name__])[0]


def inside(folder: Path) -> list[Path]:
    """What a folder and the folders in it hold, in order of their names, without hidden entries.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        first = _visible(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({reason(error)}); make it readable") from error
    found = list(first)
    for place in first:
        try:
            found += _visible(place) if place.is_dir() else []
        except OSError:  # a folder of somebody else's
            continue
    return found


def _visible(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and
                  p.name != "__MACOSX")


def cache_folders() -> list[Path]:
    """The course's own cache folder, then the user's."""
    import pooch

    own = [ROOT / "data" / "cache"] if (ROOT / "data").is_dir() else []
    return [*own, Path(pooch.os_cache("classification-losses-course"))]


def _find(asked: str, wanted: Wanted, *, required: bool) -> tuple[Path | None, str]:
    """The file or folder of the data set, ``asked`` itself or one inside it, or why there is none.

    The reason is empty where ``asked`` is a file of another data set.
    """
    try:
        place = Path(asked).expanduser()
        is_file, is_folder = place.is_file(), place.is_dir()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{asked!r} cannot be looked up ({reason(error)}); correct it") from error
    if is_file:
        return (place if required or wanted.mine(place) else None), ""
    if not is_folder:
        if required:
            raise DataError(f"{asked!r} does not exist; correct the path, {wanted.how_to_get}")
        raise DataError(f"COURSE_DATA is {asked!r}, which does not exist; correct it, unset it to "
                        'have the file downloaded, or set it to "embedded", the stand-in')
    found = _in_folder(place, wanted)
    if found is not None:
        return found, ""
    names = ", ".join(wanted.names)
    if required:
        raise DataError(f"{asked!r} holds none of {names}; {wanted.how_to_get}")
    return None, f"{asked!r}, which COURSE_DATA names, holds none of {names}{_instead(place)}"


def _in_folder(folder: Path, wanted: Wanted) -> Path | None:
    """The data set in a folder: by its name, by its name in another case, or by its content."""
    named = next((folder / name for name in wanted.names if (folder / name).exists()), None)
    if named is not None and (named.is_file() or wanted.mine(named)):
        return named
    if wanted.mine(folder):
        return folder
    entries = inside(folder)
    for name in wanted.names:
        for entry in entries:
            if entry.name.lower() == name.lower() and (entry.is_file() or wanted.holds(entry)):
                return entry
    found = [entry for entry in entries if wanted.holds(entry)]
    # A folder and the folder inside it may be the same find.
    found = [entry for entry in found if entry.parent not in found]
    if len(found) > 1:
        some = " and ".join(repr(str(entry.relative_to(folder))) for entry in found[:2])
        raise DataError(f"{str(folder)!r} holds {some}, and either could be meant; name one of "
                        "them instead of the folder")
    return found[0] if found else named


def _instead(folder: Path) -> str:
    names = [entry.name for entry in _visible(folder)]
    if not names:
        return " (it is empty)"
    return f" (but {', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


def _cached_or_downloaded(wanted: Wanted, read: Callable[[Path, Kind], Data],
                          forbidden: str) -> Data:
    folders = cache_folders()
    for place in (folder / name for folder in folders for name in wanted.names):
        if place.exists():
            try:
                return read(place, "cache")
            except DataError as error:
                raise DataError(f"{error} (or delete it, to have it downloaded again)") from error
    if forbidden:
        raise DataError(f"{forbidden} forbids the download")
    return read(download(wanted.mirrors, folders, check=wanted.check, megabytes=wanted.megabytes),
                "download")


def download(mirrors: Sequence[str], folders: Sequence[Path], *, check: Callable[[Path], object],
             megabytes: int,
             remedy: str = "set COURSE_DATA to your own copy of the file") -> Path:
    """Download a file from the first mirror that has it into the first folder that can be written.

    The file gets its name only after ``check``, so that no incomplete file is ever found there.

    Args:
        mirrors: addresses, tried one after the other.
        folders: folders, tried one after the other; they are created if necessary.
        check: raises :class:`DataError` unless a file is the published one.
        megabytes: the size of the file.
        remedy: the end of an error message: what else the user can do.

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
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            do = f"free {megabytes} MB there" if full else "make it writable"
            raise DataError(f"{folder} cannot take the download ({reason(error)}); {do}, or "
                            f"{remedy}") from error
    raise DataError(f"{' and '.join(failures)}; try again later, or {remedy}")


def _first_writable(folders: Sequence[Path], remedy: str) -> Path:
    refusals = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            refusals.append(f"{folder} cannot be written ({reason(error)})")
        else:
            return folder
    raise DataError(f"{' and '.join(refusals)}; make one of them writable, or {remedy}")


def _fetch(url: str, folder: Path, check: Callable[[Path], object]) -> Path:
    """Download ``url``; the file appears in ``folder`` only after ``check`` has accepted it."""
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
    _check_certificates(url)
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
                                f"({type(error).__name__}{_setting(url, error)})") from error


def _certificates() -> tuple[str, str]:
    """The variable that tells requests where the certificates lie, and its value, or two blanks."""
    return next(((name, os.environ[name]) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
                 if os.environ.get(name)), ("", ""))


def _check_certificates(url: str) -> None:
    name, place = _certificates()
    if url.startswith("https:") and name and not os.path.exists(place):
        raise DataError(f"{name} is {place!r}, which does not exist; correct or unset it")


def _setting(url: str, error: Exception) -> str:
    """The setting of the environment that a failed connection depends on, if there is one."""
    import requests

    if isinstance(error, (requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL,
                          requests.exceptions.InvalidSchema)):
        kinds = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
        names = [name for kind in kinds for name in (kind, kind.upper())]
        found = next((name for name in names if os.environ.get(name)), "")
        return f", by way of the proxy that {found} names" if found else ""
    if isinstance(error, requests.exceptions.SSLError) and _certificates()[0]:
        return ", with the certificates {1!r} that {0} names".format(*_certificates())
    return ""
