"""Determines the format of a file from its first bytes, for any name, and detects files that are
often found instead of the expected one.

A failed download leaves a Git LFS pointer, a web page or nothing. Each of these has its own message
with a remedy, and so do the formats of other tools that cannot be read here.
"""

import enum
from pathlib import Path

from ksdiff_jax.errors import InputError


class FileKind(enum.Enum):
    """The formats that are distinguished."""

    ZIP = "a zip archive"
    NPY = "a NumPy array"
    GZIP = "gzip"
    BZ2 = "bzip2"
    XZ = "xz"
    MATLAB = "a MATLAB 5 file"
    PICKLE = "a Python pickle"
    TENSORS = "safetensors"
    OTHER = "another form"


_BEGINNINGS = (
    (b"PK\x03\x04", FileKind.ZIP),
    (b"PK\x05\x06", FileKind.ZIP),
    (b"\x93NUMPY", FileKind.NPY),
    (b"\x1f\x8b", FileKind.GZIP),
    (b"BZh", FileKind.BZ2),
    (b"\xfd7zXZ\x00", FileKind.XZ),
    (b"MATLAB 5.0", FileKind.MATLAB),
    # earlier protocols have no signature
    *((bytes((0x80, protocol)), FileKind.PICKLE) for protocol in range(2, 6)),
)
_ZLIB = (b"\x01", b"\x5e", b"\x9c", b"\xda")
_ELSEWHERE = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer and not the file; run `git lfs pull`, or download the file itself",
    ),
    (b"\x89HDF\r\n", "an HDF5 file, which is not read; write its arrays with numpy.savez"),
    (
        b"MATLAB 7.3",
        "a MATLAB 7.3 file (HDF5), which is not read; save it in MATLAB with the option '-v7'",
    ),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard, which is not read; decompress it first"),
    (b"\x04\x22\x4d\x18", "compressed with lz4, which is not read; decompress it first"),
    *(
        (b"x" + level, "compressed with zlib, as joblib does; write its arrays with numpy.savez")
        for level in _ZLIB
    ),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def checked_kind(path: Path, *, what: str) -> FileKind:
    """Return the format of a file; raise `InputError` if there is none, or another kind of file."""
    if path.is_dir():
        raise InputError(f"{path}: a folder; name the {what} inside it")
    try:
        with path.open("rb") as stream:
            begin = stream.read(512)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; need a {what}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); need a {what}") from error
    if not begin:
        raise InputError(f"{path}: 0 bytes; need a {what}")
    found = next((words for magic, words in _ELSEWHERE if begin.startswith(magic)), None)
    if begin.lstrip().lower().startswith(_PAGES):
        found = f"a web page and not a {what}; download the file itself"
    elif begin[257:262] == b"ustar":
        found = (
            "a tar archive; unpack it, or if PyTorch 0.1 saved it, load and save it with a "
            "later PyTorch"
        )
    elif not begin.strip(b"\0"):
        found = f"begins with nothing but zeros, as after an incomplete download; need a {what}"
    if found:
        raise InputError(f"{path}: {found}")
    # after the size of a header, whose first bytes may have any value
    if begin[4:9] == b"\0\0\0\0{":
        return FileKind.TENSORS
    return next((kind for magic, kind in _BEGINNINGS if begin.startswith(magic)), FileKind.OTHER)
