"""A server that answers the requests of `huggingface_hub` as the hub does, for one user with one
token.

Repositories, their commits and their files are stored in memory. Small files are sent inside a
commit, others through the LFS endpoints. A request for something that does not exist is refused
with the status and the `X-Error-Code` of the hub.
"""

import base64
import hashlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_secret"
LFS_ENDINGS = (".safetensors", ".bin")


@dataclass
class Repository:
    """A repository: the files of each of its commits, by name."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    def commit(self, changes: dict[str, bytes], message: str = "") -> str:
        files = (self.commits[self.head] if self.commits else {}) | changes
        sha = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits[sha] = files
        self.messages.append(message)
        return sha


class HubServer(ThreadingHTTPServer):
    """The server; `repositories` by name is what tests look at and change."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failing: int | None = None  # a status that every answer has
        self.address = f"http://127.0.0.1:{self.server_port}"

    def make(self, name: str, files: dict[str, bytes]) -> Repository:
        repository = self.repositories[name] = Repository()
        repository.commit(files)
        return repository


@contextmanager
def running() -> Iterator[HubServer]:
    """A server that answers as long as the block lasts."""
    with HubServer() as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Refused(Exception):
    """An answer that is no success: status, the hub's code for it, and what the answer holds."""


class Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self._answer(self._get)

    def do_HEAD(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def do_PUT(self):
        self._answer(self._put)

    def _answer(self, work):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = (
            self.rfile.read(length)
            if "chunked" not in self.headers.get("Transfer-Encoding", "")
            else b""
        )
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                self.body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        try:
            if self.server.failing:
                raise Refused(self.server.failing, "")
            data, headers = work(path.strip("/").split("/"))
            status = 200
        except Refused as refused:
            status, code, *content = refused.args
            data, headers = (
                json.dumps(*content or [{}]).encode(),
                {"X-Error-Code": code, "X-Error-Message": code},
            )
        self.send_response(status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(data))} | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repository(self, name: str) -> Repository:
        found = self.server.repositories.get(name)
        if found is None or (found.private and not self._known):
            raise Refused(401, "RepoNotFound")  # the hub does not say which of the two
        return found

    def _get(self, parts: list[str]):
        if parts[:2] == ["api", "models"]:
            repository = self._repository("/".join(parts[2:4]))
            kind, sha = parts[4] if len(parts) > 4 else "", parts[5] if len(parts) > 5 else "main"
            sha, files = self._commit(repository, sha)
            if kind == "tree":
                return _json([self._tree_entry(name, data) for name, data in files.items()])
            names = [{"rfilename": name} for name in files]
            facts = {
                "id": "/".join(parts[2:4]),
                "sha": sha,
                "siblings": names,
                "private": repository.private,
            }
            return _json(facts | {"tags": [], "downloads": 0, "likes": 0})
        if len(parts) > 4 and parts[2] == "resolve":
            sha, files = self._commit(self._repository("/".join(parts[:2])), parts[3])
            if (data := files.get("/".join(parts[4:]))) is None:
                raise Refused(404, "EntryNotFound")
            etag = hashlib.sha256(data).hexdigest()
            return data, {
                "X-Repo-Commit": sha,
                "ETag": f'"{etag}"',
                "Content-Type": "application/octet-stream",
            }
        raise Refused(404, "")

    def _commit(self, repository: Repository, revision: str) -> tuple[str, dict[str, bytes]]:
        sha = repository.head if revision == "main" else revision
        if sha not in repository.commits:
            raise Refused(404, "RevisionNotFound")
        return sha, repository.commits[sha]

    def _tree_entry(self, name: str, data: bytes) -> dict:
        sha256 = hashlib.sha256(data).hexdigest()
        large = (
            {"lfs": {"oid": sha256, "size": len(data), "pointerSize": 130}}
            if name.endswith(LFS_ENDINGS)
            else {}
        )
        return {
            "type": "file",
            "path": name,
            "size": len(data),
            "oid": hashlib.sha1(data).hexdigest(),
        } | large

    def _post(self, parts: list[str]):
        if not self._known:
            raise Refused(401, "")
        if parts == ["api", "validate-yaml"]:
            return _json({"errors": [], "warnings": []})
        if parts == ["api", "repos", "create"]:
            return self._create(json.loads(self.body))
        if parts[2:] == ["info", "lfs", "objects", "batch"]:
            objects = json.loads(self.body)["objects"]
            for entry in objects:
                entry["actions"] = {
                    "upload": {"href": f"{self.server.address}/upload/{entry['oid']}"}
                }
            return _json({"transfer": "basic", "objects": objects})
        repository = self._repository("/".join(parts[2:4]))
        if parts[4] == "preupload":
            files = [
                {"path": file["path"], "shouldIgnore": False, "uploadMode": _mode(file["path"])}
                for file in json.loads(self.body)["files"]
            ]
            return _json({"files": files})
        if parts[4] == "commit":
            sha, name = self._accept(repository), "/".join(parts[2:4])
            return _json(
                {
                    "success": True,
                    "commitOid": sha,
                    "commitUrl": f"{self.server.address}/{name}/commit/{sha}",
                }
            )
        raise Refused(404, "")

    def _create(self, asked: dict):
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        address = {"url": f"{self.server.address}/{name}", "name": name}
        if name in self.server.repositories:
            raise Refused(409, "", address)
        private = asked.get("private") or asked.get("visibility") == "private"
        self.server.repositories[name] = Repository(private=bool(private))
        self.server.repositories[name].commit(
            {".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit"
        )
        return _json(address)

    def _accept(self, repository: Repository) -> str:
        changes, message = {}, ""
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                message = value["summary"]
            elif entry["key"] == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                changes[value["path"]] = self.server.uploads[value["oid"]]
        return repository.commit(changes, message)

    def _put(self, parts: list[str]):
        if hashlib.sha256(self.body).hexdigest() != parts[1]:
            raise Refused(400, "")
        self.server.uploads[parts[1]] = self.body
        return b"", {}


def _mode(name: str) -> str:
    return "lfs" if name.endswith(LFS_ENDINGS) else "regular"


def _json(content) -> tuple[bytes, dict]:
    return json.dumps(content).encode(), {}
