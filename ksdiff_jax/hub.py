"""Downloads from and uploads to the Hugging Face hub with its own client (`huggingface_hub`), whose
cache and login are used.

    find_name("org/name@v1")              HubName(repo="org/name", revision="v1")
    fetch(name, ["config.json"])          the folder of the client's cache that holds these files
    upload("org/name", {"a.txt": path})   one commit with these files; the address of the repository

The hub is queried once, with a timeout of ten seconds for each response; writing has the client's
own limits, if any. If the hub does not answer, or `HF_HUB_OFFLINE=1` is set, the files of an
earlier download are used. Every failure is an `InputError` of one line. This was tested against a
server of our own that answers like the hub (tests/hub_server.py); it was never run against the hub
itself.
"""

import contextlib
import errno
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.errors import InputError, Notice, first_line
from ksdiff_jax.log_lines import held_back

_TIMEOUT_S = 10.0
_CLIENT = "huggingface_hub"  # its logger
_OF_THE_DISK = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.ENOENT,
)
# The hub's rules: ASCII, no dot or hyphen at either end of a part, none twice in a row.
_PART = r"[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?"
_NAME = re.compile(rf"({_PART}/{_PART})(?:@([\w./-]+))?", re.ASCII)


class HubName(NamedTuple):
    """A repository of the hub, and a branch, tag or commit of it; None is its main branch."""

    repo: str
    revision: str | None = None


def find_name(text: str | Path) -> HubName | None:
    """Return the name in `org/name` or `org/name@revision`; None for other text, such as a path of
    more parts.
    """
    found = _NAME.fullmatch(str(text))
    if found is None or ".." in found[0] or "--" in found[1] or found[1].endswith(".git"):
        return None
    return HubName(found[1], found[2])


def fetch(name: HubName, patterns: Sequence[str]) -> Path:
    """Return the folder with the repository's files whose names match the patterns; files not in
    the cache are downloaded.

    Raises `InputError` if there is no such repository, and if the hub cannot be reached and the
    cache has nothing.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    wanted = {"repo_id": name.repo, "revision": name.revision, "allow_patterns": list(patterns)}
    with held_back(_CLIENT):  # errors are also raised as exceptions
        try:
            HfApi().model_info(name.repo, revision=name.revision, timeout=_TIMEOUT_S)
            return Path(snapshot_download(**wanted))
        except RevisionNotFoundError as error:
            raise InputError(
                f"{name.repo} on the hub has no revision {name.revision or 'main'!r}"
            ) from error
        except GatedRepoError as error:
            raise InputError(
                f"{name.repo}: its owner requires consent first; give it on the repository's "
                "page, then `hf auth login`"
            ) from error
        except RepositoryNotFoundError as error:
            raise InputError(
                f"{name.repo}: the hub has no repository of this name that you may read; check "
                "the name, or log in with `hf auth login`"
            ) from error
        except Exception as error:
            # the client raises its own errors, its transport's and the system's
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise InputError(
                    f"{name.repo}: the files of the hub cannot be stored ({first_line(error)}); "
                    "set "
                    "HF_HOME to a folder that can be written"
                ) from error
            return _from_cache(wanted, because=error)


def upload(
    repo: str,
    files: Mapping[str, Path | bytes],
    *,
    private: bool | None,
    token: str | None,
    message: str,
) -> str:
    """Create the repository if needed and add the files in one commit; return its address.

    Raises `InputError`.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    with _refusals_in_one_line(repo):
        api = HfApi(token=token)
        address = str(api.create_repo(repo, private=private, exist_ok=True))
        additions = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in files.items()
        ]
        api.create_commit(repo, additions, commit_message=message)
    return address


def existing(repo: str, names: Sequence[str], *, token: str | None) -> dict[str, Path]:
    """Return those of the named files that the repository already has, downloaded; empty if there
    is no repository yet.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    with _refusals_in_one_line(repo):
        api = HfApi(token=token)
        try:
            info = api.model_info(repo, timeout=_TIMEOUT_S)
        except RepositoryNotFoundError:
            return {}
        there = {file.rfilename for file in info.siblings or ()}
        return {
            name: Path(api.hf_hub_download(repo, name, revision=info.sha))
            for name in names
            if name in there
        }


def _from_cache(wanted: dict, *, because: Exception) -> Path:
    """Return the files of an earlier download, with a `Notice` unless the caller asked for just
    that.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    name, reason = wanted["repo_id"], f"{type(because).__name__}: {first_line(because)}"
    try:
        folder = Path(snapshot_download(**wanted, local_files_only=True))
    except Exception as error:
        raise InputError(
            f"{name}: it could not be downloaded from the Hugging Face hub ({reason}), and no "
            "earlier download of "
            "it is here; download it where there is a network and name its folder"
        ) from error
    if not isinstance(because, OfflineModeIsEnabled):
        text = (
            f"{name}: the Hugging Face hub did not answer ({reason}); using the files of an "
            "earlier download"
        )
        warnings.warn(text, Notice, stacklevel=4)
    return folder


@contextlib.contextmanager
def _refusals_in_one_line(repo: str) -> Iterator[None]:
    """Raise every refusal of the hub or its client on upload as an `InputError` with a remedy."""
    from huggingface_hub.errors import HfHubHTTPError

    with held_back(_CLIENT):
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            response = error.response if isinstance(error, HfHubHTTPError) else None
            login = "log in with `hf auth login`, or give a token that may write there"
            refused = response is not None and response.status_code in (401, 403, 404)
            remedy = (
                login if refused else "try again where there is a network, without HF_HUB_OFFLINE"
            )
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise InputError(f"{repo}: not uploaded to the hub ({reason}); {remedy}") from error
