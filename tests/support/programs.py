"""System programs that a test cannot do without."""

from __future__ import annotations

import os
import shutil

import pytest


def required_program(name: str) -> str:
    """Return the path of a program; skip the test if it is missing, or fail it where `.ci/run` installs programs."""
    path = shutil.which(name)
    if path is None:
        missing = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path
