"""Source archive and wheels hold the package: each file once, in its own place, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import benchkit
from checks.archives import archive_faults, build, faults, members, package_files
from checks.packages import requirements

CHECKOUT = Path(benchkit.__file__).parents[1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    if not (CHECKOUT / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    return build(CHECKOUT, tmp_path_factory.mktemp("archives"))


def test_the_archives_hold_what_the_checkout_holds(archives: dict[str, Path]) -> None:
    assert archive_faults(CHECKOUT, archives) == []
    modules = {path for path in package_files(CHECKOUT) if path.endswith(".py")}
    for room in ("analysis", "spaces", "strategies"):  # the links at the root lead to these
        assert f"benchkit/{room}/__init__.py" in modules
    for archive in archives.values():
        held = [path for path in members(archive) if path.startswith("benchkit/") and path.endswith(".py")]
        assert sorted(held) == sorted(modules)


def test_both_wheels_have_the_version_of_the_package(archives: dict[str, Path]) -> None:
    for archive in archives.values():
        assert archive.name.startswith(f"benchkit-{benchkit.__version__}")


def test_the_packages_of_the_mission_are_required(archives: dict[str, Path]) -> None:
    wheel = archives["the wheel from the source archive"]
    required = {line.split(">")[0] for line in requirements(wheel)}
    assert required >= {
        "torch",
        "nas-bench-201",
        "nasbench-pytorch",
        "pandas",
        "scipy",
        "matplotlib",
        "seaborn",
    }
    assert not required & {"pytest", "scikit-posthocs", "nats-bench", "vl-convert-python"}


def test_what_is_wrong_with_an_archive_is_named() -> None:
    expected = ["benchkit/__init__.py", "benchkit/analysis/ranking.py"]
    found = ["benchkit/__init__.py", "benchkit/__init__.py", "analysis/ranking.py", "README.md", "tests/a.py"]
    assert faults("it", found, expected, ("README.md", "tests/")) == [
        "it lacks benchkit/analysis/ranking.py",
        "it holds benchkit/__init__.py 2 times",
        "it should not hold analysis/ranking.py",
    ]
    assert faults("it", expected, expected, ()) == []


def test_a_doubled_member_counts_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("benchkit/a.py", "")
        with pytest.warns(UserWarning, match="Duplicate name"):
            wheel.writestr("benchkit/a.py", "")
    assert members(tmp_path / "a.whl") == ["benchkit/a.py", "benchkit/a.py"]
