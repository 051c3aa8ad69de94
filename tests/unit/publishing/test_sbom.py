"""The bill of materials has what was installed, from where it came left out, and the same bytes each time.

That it is CycloneDX was tried with the published schema; the package's own fields are held here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from publishing.libraries import Json
from publishing.packages import read_package
from publishing.sbom import bill
from support.apt_rig import make_package, needs_apt

pytestmark = needs_apt
DIGEST = "a" * 64
PROJECT = '[project]\ndependencies = ["Big>=1", "absent"]\n[project.optional-dependencies]\nmore = ["small.one"]\n'


def installed(name: str, *requires: str) -> Json:
    return {
        "download_info": {
            "url": f"https://index.internal.example/{name}-1.0-py3-none-any.whl",
            "archive_info": {"hashes": {"sha256": DIGEST}},
        },
        "metadata": {"name": name, "version": "1.0", "license_expression": "MIT", "requires_dist": list(requires)},
    }


@pytest.fixture
def made(tmp_path: Path) -> Json:
    report = {
        "environment": {"python_version": "3.11", "sys_platform": "linux"},
        "install": [
            installed("Small_One"),
            installed(
                "Big", "deep>=1; python_version < '3.12'", "small-one; extra == 'x'", "gone; sys_platform == 'win'"
            ),
            installed("deep"),
        ],
    }
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    package = read_package(make_package(tmp_path, "1.0-1+deb12", arch="amd64"))
    found = bill(package, report, tmp_path / "pyproject.toml")
    report["install"] = list(reversed(report["install"]))  # type: ignore[call-overload]  # a list by its construction
    assert bill(package, report, tmp_path / "pyproject.toml") == found
    return found


def test_wheels_have_purl_digest_and_licence(made: Json) -> None:
    wheels = [each for each in made["components"] if each["purl"].startswith("pkg:pypi/")]
    assert [each["name"] for each in wheels] == ["big", "deep", "small-one"]
    assert wheels[0] == {
        "type": "library",
        "bom-ref": "pkg:pypi/big@1.0",
        "name": "big",
        "version": "1.0",
        "hashes": [{"alg": "SHA-256", "content": DIGEST}],
        "licenses": [{"expression": "MIT"}],
        "purl": "pkg:pypi/big@1.0?file_name=Big-1.0-py3-none-any.whl",
    }


def test_address_of_the_index_is_left_out(made: Json) -> None:
    assert "internal.example" not in json.dumps(made)


def test_system_packages_have_their_relation(made: Json) -> None:
    system = {each["name"]: each for each in made["components"] if each.get("scope") == "required"}
    assert system["acl"]["properties"] == [{"name": "audiobatchd:depends", "value": "acl (>= 2)"}]
    assert system["libc6"]["purl"] == "pkg:deb/debian/libc6?distro=debian-12"


def test_dependencies_hold_where_the_package_was_built(made: Json) -> None:
    needs = {each["ref"]: each["dependsOn"] for each in made["dependencies"]}
    assert needs["pkg:pypi/big@1.0"] == ["pkg:pypi/deep@1.0"]
    ours = made["metadata"]["component"]["bom-ref"]
    assert {each for each in needs[ours] if "pypi" in each} == {"pkg:pypi/big@1.0", "pkg:pypi/small-one@1.0"}


def test_references_are_unique_and_known(made: Json) -> None:
    references = [each["bom-ref"] for each in [made["metadata"]["component"], *made["components"]]]
    assert len(references) == len(set(references))
    asked = {each for line in made["dependencies"] for each in [line["ref"], *line["dependsOn"]]}
    assert asked <= set(references)
    assert made["metadata"]["timestamp"] == "2026-09-21T14:13:20Z"
