"""A base image of the Python that runs the tests: what ``Containerfile`` needs of a base, made without a network."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROGRAMS = {"/bin/sh": "sh", "/usr/bin/install": "install"}
"""What the instructions of ``Containerfile`` run besides Python, and where it is expected."""

VARIABLES = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/wheels",
}
"""Of the image. By them pip takes the wheels of the image instead of downloading any."""

NOT_NEEDED = re.compile(r"site-packages|dist-packages|__pycache__|test|idlelib|lib2to3|tkinter|turtledemo|config-.*")
"""Directories of the standard library that neither the daemon nor pip imports."""


def write_base(archive: Path) -> None:
    """Write the image's files: Python with pip, a shell, shared libraries, and the wheels of all dependencies."""
    python = Path(sys.executable).resolve()
    standard, installed = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    find = [str(python), "-I", "-c", "import site; print(site.getsitepackages()[0])"]
    packages = Path(subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip())
    modules = set(_modules(standard))
    programs = {place: Path(shutil.which(name) or name).resolve() for place, name in PROGRAMS.items()}
    programs["/usr/local/bin/python3"] = python
    needed = [each for each in _closure(["retrovue-daemon", "hatchling"]) if each.name != "retrovue-daemon"]
    extensions = {Path(str(file.locate())) for each in needed for file in each.files or ()} | modules
    binaries = {file for file in extensions if file.suffix == ".so"} | set(programs.values())
    with tarfile.open(archive, "w", dereference=True) as tar:
        for file in modules | set(programs.values()) | set(_shared(binaries)):
            tar.add(file, arcname=str(file), filter=_of_root)
        for file in _modules(installed / "pip"):
            tar.add(file, arcname=str(packages / file.relative_to(installed)), filter=_of_root)
        for link, target in programs.items():
            if link != str(target):
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, str(target), 0o777
                tar.addfile(entry)
        for each in needed:
            _put(tar, *_wheel(each))
        _put(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(temporary)


def _modules(directory: Path) -> Iterator[Path]:
    for file in directory.rglob("*"):
        parts = file.relative_to(directory).parts[:-1]
        if file.is_file() and "tkinter" not in file.name and not any(map(NOT_NEEDED.fullmatch, parts)):
            yield file


def _shared(binaries: Iterable[Path]) -> Iterator[Path]:
    """Return the libraries that programs and modules load, under the names by which they load them."""
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    for name in set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed, re.MULTILINE)):
        yield Path(name)


def _closure(names: Iterable[str]) -> list[Distribution]:
    """Return distributions of this environment, and all that they require."""
    found: dict[str, Distribution] = {}
    pending = list(names)
    while pending:
        name = canonicalize_name(pending.pop())
        if name not in found:
            found[name] = distribution(name)
            required = map(Requirement, found[name].requires or ())
            pending += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return list(found.values())


def _wheel(of: Distribution) -> tuple[str, bytes]:
    """Pack an installed distribution again; return the path of the wheel in the image, and its bytes."""
    tags = re.findall(r"^Tag: (\S+)-(\S+)-(\S+)", of.read_text("WHEEL") or "", re.MULTILINE)
    tag = "-".join(".".join(sorted(set(parts))) for parts in zip(*tags, strict=True))
    name = f"{canonicalize_name(of.name).replace('-', '_')}-{of.version}-{tag}.whl"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for file in of.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                wheel.write(str(file.locate()), str(file))
    return f"wheels/{name}", packed.getvalue()


def _put(tar: tarfile.TarFile, place: str, content: bytes) -> None:
    entry = tarfile.TarInfo(place)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Give a file to root, and let every user read it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode |= 0o444 | (entry.mode & 0o100 and 0o111)
    return entry
