"""Which paths a job may use on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from peerfarm.model.render import FailReason
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.paths import check_path, is_label, name_fault, spelling_fault


@pytest.mark.parametrize(
    ("path", "is_windows", "words"),
    [
        ("/mnt/farm/shot", False, ""),
        ("/mnt/farm/../farm/shot", False, ""),
        ("shot", False, "not absolute"),
        ("../shot", False, "not absolute"),
        ("", False, "not absolute"),
        ("/mnt/a\0b", False, "NUL"),
        ("/mnt/farm/NUL.png", False, "device"),
        ("/mnt/farm/com1", False, "device"),
        ("/mnt/farm/computer", False, ""),
        ("//server/share/x", False, "server"),
        ("\\\\server\\share\\x", False, "server"),
        ("C:\\farm\\shot", False, "not absolute"),
        ("C:\\farm\\shot", True, ""),
        ("c:/farm/shot", True, ""),
        ("C:shot", True, "not absolute"),
        ("\\farm\\shot", True, "not absolute"),
        ("/farm/shot", True, "not absolute"),
        ("\\\\SERVER\\share\\x", True, "server"),
        ("\\\\nas\\films\\x", True, ""),
        ("\\\\NAS\\Films\\x", True, ""),
        ("//nas/films/x", True, ""),
        ("\\\\nas\\other\\x", True, "server"),
        ("\\\\?\\C:\\x", True, "device"),
        ("\\\\.\\PhysicalDrive0", True, "device"),
        ("C:\\farm\\aux", True, "device"),
        ("C:\\farm\\lpt1.txt", True, "device"),
        ("C:\\farm\\x.png:hidden", True, "second colon"),
    ],
)
def test_the_spelling_of_a_path_is_judged_before_the_disk_is_asked(path: str, is_windows: bool, words: str) -> None:
    fault = spelling_fault(path, ("\\\\nas\\films", "/mnt/farm"), is_windows=is_windows)

    assert (words in fault) if words else not fault


@pytest.mark.parametrize(
    ("name", "is_fine"),
    [
        ("f_0001.png", True),
        ("Nullarbor.png", True),
        ("ü 1.exr", True),
        ("", False),
        ("..", False),
        (".f.png", False),
        ("a/b", False),
        ("a\\b", False),
        ("a:b", False),
        ("a\nb", False),
        ("a.png ", False),
        ("a.", False),
        ("con", False),
        ("COM1.png", False),
    ],
)
def test_a_file_name_is_plain_on_every_system(name: str, is_fine: bool) -> None:
    assert (not name_fault(name)) == is_fine


@pytest.mark.parametrize(
    ("text", "is_fine"), [("abc-def-12", True), ("", False), ("..", False), ("a/b", False), ("a" * 121, False)]
)
def test_a_label_cannot_lead_anywhere(text: str, is_fine: bool) -> None:
    assert is_label(text) == is_fine


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "shots").mkdir(parents=True)
    (tmp_path / "rooted").mkdir()
    (tmp_path / "outside").mkdir()
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "in").symlink_to(root / "shots")
    (tmp_path / "alias").symlink_to(root)
    return root


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("root", "root"),
        ("root/shots", "root/shots"),
        ("root/new/deep", "root/new/deep"),
        ("root/in/x", "root/shots/x"),
        ("alias/shots", "root/shots"),
        ("root/shots/../shots", "root/shots"),
    ],
)
def test_a_path_below_a_root_is_resolved(root: Path, path: str, resolved: str) -> None:
    assert check_path(f"{root.parent}/{path}", (str(root),)) == str(root.parent / resolved)


def test_a_root_may_be_a_link_itself(root: Path) -> None:
    assert check_path(str(root / "shots"), (str(root.parent / "alias"),)) == str(root / "shots")


@pytest.mark.parametrize("path", ["rooted", "root/../outside", "root/out/x", "root/in/../../outside", ""])
def test_a_path_outside_the_roots_names_the_setting_the_path_and_the_node(root: Path, path: str) -> None:
    asked = f"{root.parent}/{path}"
    with pytest.raises(AttemptError) as caught:
        check_path(asked, (str(root),), "oak")

    assert caught.value.reason == FailReason.NOT_ALLOWED
    for words in ("`roots`", asked, "oak"):
        assert words in str(caught.value)


def test_without_roots_everything_is_refused(root: Path) -> None:
    with pytest.raises(AttemptError, match="none is set"):
        check_path(str(root), ())


def test_a_device_below_a_root_is_refused() -> None:
    with pytest.raises(AttemptError, match="neither a file nor a directory"):
        check_path("/dev/null", ("/dev",))


def test_a_loop_of_links_is_refused(root: Path) -> None:
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(AttemptError):
        check_path(str(root / "loop" / "x"), (str(root),))
