"""What was compiled is kept: found again for the same request alone, whole, of trusted origin, and bounded."""

import importlib.util
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from probes.kernel import kept_images
from probes.kernel.image import Image, MapShape, ProgramImage
from probes.kernel.kept_images import LIMIT, image_path, keep_image, kept_image

IMAGE = Image(
    "GPL", {"cells": MapShape(2, 4, 8, 16, 0)}, {"seen": ProgramImage(b"12345678", {0: "cells"}, 0)}
)
REQUEST: dict[str, object] = {"source": "int f(void) { return 0; }", "cflags": ["-w"], "tree": None}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of this test alone."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    return tmp_path / "programs"


def path_of(request: dict[str, object]) -> Path:
    """Where it is kept."""
    path = image_path(request)
    assert path is not None
    return path


def test_what_was_kept_is_found(folder: Path) -> None:
    """The same image, in a file of the documented form."""
    path = path_of(REQUEST)
    assert kept_image(path) is None
    keep_image(path, IMAGE)
    assert kept_image(path) == IMAGE
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize(
    "other", [{"source": "int f(void) { return 1; }"}, {"cflags": ["-DSLOTS=2"]}, {"tree": "/other"}], ids=str
)
def test_another_request_has_another(other: dict[str, object]) -> None:
    """Whatever of it differs."""
    keep_image(path_of(REQUEST), IMAGE)
    assert kept_image(path_of(REQUEST | other)) is None


def test_another_kernel_or_more_processors_have_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types and per-processor values differ."""
    paths = {path_of(REQUEST)}
    monkeypatch.setattr(kept_images, "build_key", lambda: "another build")
    paths.add(path_of(REQUEST))
    monkeypatch.setattr(kept_images, "possible_cpus", lambda: 512)
    assert len(paths | {path_of(REQUEST)}) == 3


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 40, -1])
def test_what_is_not_whole_is_none(kept: int) -> None:
    """Cut anywhere, as a power failure leaves it."""
    path = path_of(REQUEST)
    keep_image(path, IMAGE)
    path.write_bytes(path.read_bytes()[:kept])
    assert kept_image(path) is None


def test_a_flipped_bit_is_none() -> None:
    path = path_of(REQUEST)
    keep_image(path, IMAGE)
    kept = bytearray(path.read_bytes())
    for place in range(len(kept)):
        kept[place] ^= 1
        path.write_bytes(kept)
        assert kept_image(path) is None
        kept[place] ^= 1


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_where_others_may_write_nothing_is_taken(mode: int) -> None:
    """It runs in the kernel."""
    path = path_of(REQUEST)
    keep_image(path, IMAGE)
    path.chmod(mode)
    assert kept_image(path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_belongs_to_another_user_is_not_taken() -> None:
    path = path_of(REQUEST)
    keep_image(path, IMAGE)
    os.chown(path, 65534, -1)
    assert kept_image(path) is None


def test_the_one_not_used_for_longest_goes_first(folder: Path) -> None:
    """Reading counts as use."""
    paths = [path_of(REQUEST | {"source": str(number)}) for number in range(LIMIT + 2)]
    for number, path in enumerate(paths[:LIMIT]):
        keep_image(path, IMAGE)
        os.utime(path, (number, number))
    assert kept_image(paths[0]) == IMAGE
    for path in paths[LIMIT:]:
        keep_image(path, IMAGE)
    assert set(folder.iterdir()) == {paths[0], *paths[3:]}


def test_what_a_sudden_end_left_half_written_goes_as_well(folder: Path) -> None:
    """In its turn."""
    keep_image(path_of(REQUEST), IMAGE)
    left = [folder / f".tmp{number}" for number in range(LIMIT)]
    for path in left:
        path.touch()
        os.utime(path, (1, 1))
    newest = path_of(REQUEST | {"source": "newer"})
    keep_image(newest, IMAGE)
    there = set(folder.iterdir())
    assert {path_of(REQUEST), newest} <= there
    assert len(there) == LIMIT


def test_a_newer_one_takes_the_place_of_one_that_is_not_whole() -> None:
    path = path_of(REQUEST)
    keep_image(path, replace(IMAGE, license="other"))
    path.write_bytes(b"")
    keep_image(path, IMAGE)
    assert kept_image(path) == IMAGE


def test_without_room_nothing_is_kept_and_nothing_is_left(folder: Path) -> None:
    """It is compiled at the next start again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder.mkdir()
    path = path_of(REQUEST)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        keep_image(path, IMAGE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
    folder.write_text("a file where the folder should be")
    keep_image(path, IMAGE)
    assert kept_image(path) is None


def test_without_bcc_there_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler then says what is missing."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert image_path(REQUEST) is None
