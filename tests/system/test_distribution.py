"""The sdist and the wheel of ``make dist``, installed and run outside the checkout. Nothing is downloaded."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT.joinpath("config.example.toml").read_text("utf-8")


def _build(source: Path, target: str, directory: Path) -> Path:
    """Build the sdist or the wheel of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(directory)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(CHECKOUT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    (root,) = directory.iterdir()
    return root


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a distributor builds it: from the sdist."""
    return _build(unpacked, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; the dependencies are those that the tests run with."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    paths = {"base": str(home), "platbase": str(home)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    # A .pth file found by way of another one is not read, so the editable install of the checkout stays unseen.
    packages.joinpath("dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    options = ["--no-deps", "--no-index", "--no-cache-dir", "--force-reinstall", "--ignore-installed"]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True, capture_output=True)
    return home


def _run(installed: Path, directory: Path, *words: str) -> str:
    """Run the console script in a directory that has nothing of the checkout, and return what it printed."""
    done = subprocess.run(
        [str(installed / "bin" / words[0]), *words[1:]],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "TMPDIR": str(directory), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def test_the_sdist_holds_what_a_developer_needs(unpacked: Path) -> None:
    """The tests and the documentation too."""
    held = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*")}
    kinds = (
        "*.md",
        "*.toml",
        "*.yaml",
        "Containerfile",
        "Makefile",
        "docs/*.*",
        "systemd/*.*",
        "retrovue_daemon/**/*.py",
        "tests/**/*.py",
        "benchmarks/**/*.py",
    )
    files = {str(file.relative_to(CHECKOUT)) for kind in kinds for file in CHECKOUT.glob(kind) if file.is_file()}
    assert files <= held
    assert {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_symlink()} == {
        "config.example.toml"
    }
    assert unpacked.joinpath("config.example.toml").read_text("utf-8") == EXAMPLE


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """The modules, the migrations and the example of a configuration."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert archive.read("retrovue_daemon/config/example.toml").decode() == EXAMPLE
    package = CHECKOUT / "retrovue_daemon"
    files = (file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    assert held == {str(file.relative_to(CHECKOUT)) for file in files}


def test_the_wheel_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    """The package that answers is the installed one."""
    where = _run(installed, tmp_path, "python", "-c", "import retrovue_daemon as it; print(it.__file__)")
    assert Path(where.strip()).is_relative_to(installed)
    assert _run(installed, tmp_path, "retrovue-daemon", "init", "-") == EXAMPLE
    # In one test with the demo, which needs the migrations and the simulated servers: two would be two installations
    # if two workers ran them.
    assert "== 5." in _run(installed, tmp_path, "retrovue-daemon", "demo", "--fast")
