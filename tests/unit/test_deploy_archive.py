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

from infra.functions import Deployed, deployed, worked_out
from infra.hcl import literal, load_folder
from infra.package import ROOT, build, functions, members
from infra.provider_facts import TERRAFORM

BLOCKS = load_folder(TERRAFORM)
DEPLOYED = deployed(BLOCKS)
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
    assert sorted(function.folder for function in DEPLOYED) == functions()


@pytest.mark.parametrize("function", DEPLOYED, ids=lambda one: one.name)
def test_deployment_starts_what_its_folder_defines(function: Deployed) -> None:
    source = (ROOT / "functions" / function.folder / "main.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    defined = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    assert defined == [literal(function.build["entry_point"])]
    made = [
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "FunctionApp"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    ]
    assert made == [function.name]


def test_folders_hold_nothing_but_the_same_few_lines() -> None:
    """All logic is in the core: functions differ in their names and in what they say they are."""
    found = set()
    for folder in functions():
        lines = (ROOT / "functions" / folder / "main.py").read_text(encoding="utf-8").splitlines()
        name = folder.replace("_", "-")
        assert [path.name for path in (ROOT / "functions" / folder).glob("*.*")] == ["main.py"]
        body = "\n".join(lines[1:])
        found.add(body.replace(f'FunctionApp("{name}")', "").replace(f"def {folder}(", ""))
    assert len(found) == 1


def test_deployment_takes_the_archive_of_its_folder() -> None:
    blocks = {block.labels: block for block in BLOCKS if block.kind == "resource"}
    source = blocks["google_storage_bucket_object", "source"]
    for function in DEPLOYED:
        path = str(worked_out(source.attributes["source"], function.name, {}))
        assert path == f'"${{local.archive_dir}}/{function.folder}.zip"'
        name = str(worked_out(source.attributes["name"], function.name, {}))
        assert name == f'"{function.name}-${{filemd5({path})}}.zip"'
        (config,) = function.block.inner("build_config")
        (outer,) = config.inner("source")
        (inner,) = outer.inner("storage_source")
        assert inner.attributes["object"] == (
            "${google_storage_bucket_object.source[each.key].name}"
        )


def test_runtime_is_the_python_that_is_tested() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=(\d)\.(\d+)"', project)
    assert oldest is not None
    for function in DEPLOYED:
        assert literal(function.build["runtime"]) == f"python{''.join(oldest.groups())}"
