"""Pages: how they are served, and when and how they are built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from local import node
from local.hosting import Hosting, HostingError, glob, read_hosting
from local.pages_build import BuildError, PagesBuild, is_fresh, sources_hash
from local.static_pages import StaticPages
from tests.support.asgi_client import AsgiAnswer, call

ROOT = Path(__file__).resolve().parent.parent.parent


class Site:
    """A folder of pages behind ``StaticPages``."""

    def __init__(self, root: Path) -> None:
        self.dist = root / "public" / "dist"
        (self.dist / "assets").mkdir(parents=True)
        self.state = ""
        hosting = read_hosting(ROOT)
        self.hosting = Hosting(self.dist, hosting.rewrites, hosting.headers)
        self.pages = StaticPages(self.hosting, lambda: self.state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.pages.serve(scope, send)

    async def get(self, path: str, method: str = "GET", **headers: str) -> AsgiAnswer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await call(self, path, method, headers=named)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    (made.dist / "index.html").write_text("<h1>home</h1>")
    (made.dist / "about.html").write_text("about")
    (made.dist / "admin").mkdir()
    (made.dist / "admin" / "index.html").write_text("admin")
    (made.dist / "assets" / "main-1.js").write_text("js")
    (made.dist / ".sources").write_text("hash")
    (tmp_path / "public" / "secret.txt").write_text("secret")
    return made


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/", "<h1>home</h1>", "text/html; charset=utf-8"),
        ("/index.html", "<h1>home</h1>", "text/html; charset=utf-8"),
        ("/about", "about", "text/html; charset=utf-8"),
        ("/admin", "admin", "text/html; charset=utf-8"),
        ("/admin/", "admin", "text/html; charset=utf-8"),
        ("/assets/main-1.js", "js", "text/javascript; charset=utf-8"),
    ],
)
async def test_a_page_is_found(site: Site, path: str, body: str, kind: str) -> None:
    answer = await site.get(path)
    assert (answer.status, answer.text) == (200, body)
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../secret.txt",
        "/assets/../../secret.txt",
        "//etc/passwd",
        "/..\\secret.txt",
        "/.sources",
        "/index.html\0.js",
        "/" + "a" * 5_000,
        "/\udcff",
        "/assets",
        "/link.txt",
    ],
)
async def test_nothing_else_is(site: Site, path: str, tmp_path: Path) -> None:
    (site.dist / "link.txt").symlink_to(tmp_path / "public" / "secret.txt")
    answer = await site.get(path)
    assert answer.status == 404
    assert "secret" not in answer.text.replace("secret.txt", "")


async def test_an_unknown_path_is_shown_harmless(site: Site) -> None:
    assert "<script>" not in (await site.get("/<script>alert(1)</script>")).text


async def test_the_sites_own_404_page_is_taken(site: Site) -> None:
    (site.dist / "404.html").write_text("lost?")
    answer = await site.get("/nothing")
    assert (answer.status, answer.text) == (404, "lost?")


async def test_a_known_etag_saves_the_body(site: Site) -> None:
    etag = (await site.get("/")).headers["etag"]
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await site.get("/", if_none_match=sent)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
    assert (await site.get("/", if_none_match='"other"')).status == 200
    (site.dist / "index.html").write_text("changed")
    assert (await site.get("/", if_none_match=etag)).text == "changed"


async def test_hashed_files_are_kept_for_a_year_pages_never(site: Site) -> None:
    assert "immutable" in (await site.get("/assets/main-1.js")).headers["cache-control"]
    assert (await site.get("/")).headers["cache-control"] == "no-cache"


async def test_pages_can_only_be_read(site: Site) -> None:
    answer = await site.get("/", "POST")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


async def test_while_pages_are_missing_the_reason_is_shown(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.state = "The pages are being built."
    answer = await site.get("/")
    assert answer.status == 503
    assert "being built" in answer.text
    assert answer.headers["retry-after"] == "3"


# --------------------------------------------------------------------------------------- hosting


def test_the_table_sends_api_paths_to_chat() -> None:
    hosting = read_hosting(ROOT)
    for path in (
        "/health",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/a/b",
        "/v1/route",
        "/v1/embeddings",
        "/v1/moderations",
        "/v1/nothing",
    ):
        assert hosting.function_for(path) == "chat", path
    for path in ("/", "/admin", "/v2/models", "/xv1/models"):
        assert hosting.function_for(path) is None, path


@pytest.mark.parametrize(
    ("source", "path", "matches"),
    [
        ("/a/**", "/a/b/c", True),
        ("/a/**", "/a", False),
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/b/c", False),
        ("/a.b", "/aXb", False),
        ("**", "/anything/at all", True),
    ],
)
def test_globs(source: str, path: str, matches: bool) -> None:
    assert (glob(source).fullmatch(path) is not None) is matches


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"hosting": {"rewrites": [{"source": "/"}]}}'])
def test_a_wrong_table_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "firebase.json").write_text(text)
    with pytest.raises(HostingError, match=r"firebase\.json"):
        read_hosting(tmp_path)


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostingError, match="cannot be read"):
        read_hosting(tmp_path)


# ----------------------------------------------------------------------------------------- build


class Project:
    """A ``public/`` whose npm and node are small scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.public = root / "public"
        (self.public / "src").mkdir(parents=True)
        (self.public / "package.json").write_text("{}")
        (self.public / "package-lock.json").write_text("{}")
        (self.public / "src" / "main.ts").write_text("1")
        self.bin = root / "bin"
        self.bin.mkdir()
        self.said: list[str] = []
        self.program("node", "echo v20.1.0")
        self.npm()

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def npm(self, on_install: str = "", on_build: str = "") -> None:
        """What ``npm ci`` and ``npm run build`` do beside being counted."""
        self.program(
            "npm",
            f'echo "$1" >> "{self.root}/calls"\n'
            f'if [ "$1" = ci ]; then mkdir -p node_modules; {on_install or ":"}; fi\n'
            'if [ "$1" = run ]; then mkdir -p dist; echo hi > dist/index.html; '
            f"{on_build or ':'}; fi",
        )

    def build(self) -> PagesBuild:
        environ = {"PATH": f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin"}
        made = PagesBuild(self.root, environ, self.said.append)
        made.start()
        made.wait(30)
        return made

    @property
    def calls(self) -> list[str]:
        noted = self.root / "calls"
        return noted.read_text().split() if noted.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_pages_are_built_once_and_again_when_sources_change(project: Project) -> None:
    assert project.build().state == ""
    assert project.calls == ["ci", "run"]
    project.build()
    assert project.calls == ["ci", "run"]
    (project.public / "src" / "main.ts").write_text("2")
    project.build()
    assert project.calls == ["ci", "run", "run"]
    (project.public / "package-lock.json").write_text("{ }")
    project.build()
    assert project.calls == ["ci", "run", "run", "ci", "run"]


def test_a_build_by_hand_counts_while_it_is_newer(project: Project) -> None:
    dist = project.public / "dist"
    dist.mkdir()
    (dist / "index.html").touch()
    os.utime(dist / "index.html", (2e9, 2e9))
    assert is_fresh(project.public)
    os.utime(dist / "index.html", (1e9, 1e9))
    assert not is_fresh(project.public)


def test_what_was_built_is_no_source(project: Project) -> None:
    before = sources_hash(project.public)
    project.build()
    assert sources_hash(project.public) == before


def test_an_unreachable_npm_is_told_and_no_crash(project: Project) -> None:
    project.npm(on_install="echo 'npm error network request failed'; exit 1")
    state = project.build().state
    assert "npm could not be reached (npm error network request failed)" in state
    assert "The API is up" in state
    assert project.said[-1] == state


def test_a_failing_build_is_told(project: Project) -> None:
    project.npm(on_build="rm dist/index.html")
    assert "made no index.html" in project.build().state


def test_a_checkout_without_pages_says_so(tmp_path: Path) -> None:
    build = PagesBuild(tmp_path, {}, print)
    build.start()
    assert "no pages" in build.state


def test_a_stop_ends_the_build_at_once(project: Project) -> None:
    project.npm(on_install="touch ../installing; sleep 600")
    environ = {"PATH": f"{project.bin}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    build = PagesBuild(project.root, environ, project.said.append)
    build.start()
    while not (project.root / "installing").exists():
        build.wait(0.01)
    build.stop()
    build.wait(30)
    assert project.said == ["Building the pages in the background ..."]


def test_a_node_too_old_counts_as_none(project: Project) -> None:
    environ = {"PATH": str(project.bin)}
    found = node.with_node(environ)
    assert found == environ
    project.program("node", "echo v16.20.0")
    project.program("env", "exit 1")
    found = node.with_node(environ)
    assert found is None or str(node.wheel_folder()) in found["PATH"]


def test_no_wheel_for_the_machine_is_told(project: Project, tmp_path: Path) -> None:
    build = PagesBuild(project.root, {"PATH": str(tmp_path)}, project.said.append)
    build.stop()
    with pytest.raises(BuildError):
        build.build()
