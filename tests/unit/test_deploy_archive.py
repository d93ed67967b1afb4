"""What is in a function's archive, and that it is the same bytes wherever it is built."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import stat
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.hcl import Block, literal, load_folder, texts
from infra.house_rules import FUNCTION
from infra.package import ROOT, build, functions, members
from infra.provider_facts import TERRAFORM

PIN = re.compile(r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*")


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def pins() -> dict[str, str]:
    """Name to version of requirements.txt; every line must be one or a comment."""
    found: dict[str, str] = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            assert PIN.fullmatch(line), f"not pinned: {line}"
            name, version = line.split("==")
            assert name not in found, f"pinned twice: {name}"
            found[name] = version
    return found


def deployed() -> list[Block]:
    """The functions of the Terraform files."""
    blocks = load_folder(TERRAFORM)
    return [b for b in blocks if b.kind == "resource" and b.labels[0] == FUNCTION]


@pytest.mark.parametrize("function", functions())
def test_archive_holds_the_function_its_core_and_its_requirements(
    function: str, tmp_path: Path
) -> None:
    core = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "shared").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert "shared/catalog/models.json" in core
    found = names(build(function, tmp_path))
    assert sorted(found) == sorted({"main.py", "requirements.txt"} | core)
    with zipfile.ZipFile(tmp_path / f"{function}.zip") as opened:
        main = ROOT / "functions" / function / "main.py"
        assert opened.read("main.py") == main.read_bytes()
        assert opened.read("requirements.txt") == (ROOT / "requirements.txt").read_bytes()


def test_archive_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = build("chat", tmp_path / "first").read_bytes()
    assert build("chat", tmp_path / "second").read_bytes() == first


def test_archive_says_nothing_of_when_and_where_it_was_built(tmp_path: Path) -> None:
    with zipfile.ZipFile(build("chat", tmp_path)) as opened:
        entries = opened.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.create_system == 3
        assert stat.filemode(entry.external_attr >> 16) == "-rw-r--r--"
        # A compressor's output depends on its version.
        assert entry.compress_type == zipfile.ZIP_STORED


def test_unknown_function_is_refused_by_name() -> None:
    with pytest.raises(SystemExit, match=r"there is no functions/nothing/main\.py"):
        members("nothing")


def test_requirements_are_wholly_pinned() -> None:
    """Whatever a pinned package needs here is pinned as well, to a version it accepts."""
    pinned = pins()
    for name in pinned:
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
                continue
            known = needed.name.lower().replace("_", "-")
            assert known in pinned, f"{name} needs {needed}, which is not pinned"
            assert needed.specifier.contains(pinned[known]), f"{name} needs {needed}"


def test_this_environment_has_the_pinned_versions() -> None:
    installed = {name: importlib.metadata.version(name) for name in pins()}
    assert installed == pins()


def test_every_folder_is_deployed_and_every_deployment_has_its_folder() -> None:
    """Folders have underscores for the hyphens of service names (contract, One address)."""
    services = {str(literal(block.attributes["name"])) for block in deployed()}
    assert services == {name.replace("_", "-") for name in functions()}


def test_deployment_starts_what_its_folder_defines() -> None:
    for block in deployed():
        (config,) = block.inner("build_config")
        entry = literal(config.attributes["entry_point"])
        folder = str(literal(block.attributes["name"])).replace("-", "_")
        source = (ROOT / "functions" / folder / "main.py").read_text(encoding="utf-8")
        defined = [
            node.name for node in ast.parse(source).body if isinstance(node, ast.AsyncFunctionDef)
        ]
        assert defined == [entry]


def test_deployment_takes_the_archive_of_its_folder() -> None:
    blocks = {block.labels: block for block in load_folder(TERRAFORM) if block.kind == "resource"}
    for block in deployed():
        folder = str(literal(block.attributes["name"])).replace("-", "_")
        source = blocks["google_storage_bucket_object", f"{folder}_source"]
        assert f"/{folder}.zip" in str(source.attributes["source"])
        assert f"/{folder}.zip" in str(source.attributes["name"])
        used = [
            text for part in block.walk() for v in part.attributes.values() for text in texts(v)
        ]
        assert f"${{google_storage_bucket_object.{folder}_source.name}}" in used


def test_runtime_is_the_python_that_is_tested() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=(\d)\.(\d+)"', project)
    assert oldest is not None
    for block in deployed():
        (config,) = block.inner("build_config")
        assert literal(config.attributes["runtime"]) == f"python{''.join(oldest.groups())}"
