"""Bill of materials of a Debian package, as CycloneDX 1.6 JSON.

It has what the package ships, from pip's report of the installation: each wheel with version, licence, purl and the
SHA-256 digest of the file that was installed, and in it the shared libraries that the wheel brings along. Then the
Debian packages that it depends on. Nothing in it depends on when or where it is made.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from publishing.comparison import digest_of
from publishing.libraries import Json, libraries_in, sha256
from publishing.licences import licence
from publishing.packages import Package

OURS = "AGPL-3.0-or-later"


def bill(package: Package, report: Json, project: Path) -> Json:
    """The bill of a package, by pip's report on its environment and the project's pyproject.toml."""
    release = re.search(r"\+deb(\d+)", package.version)
    distribution = f"debian-{release[1]}" if release else "debian"
    content = digest_of(package.path)
    libraries = libraries_in(package.path)
    wheels = [wheel(each, libraries) for each in sorted(report["install"], key=lambda each: name_of(each["metadata"]))]
    system = system_packages(package.depends, distribution)
    top = top_level(project) & {each["name"] for each in wheels}
    purl = (
        f"pkg:deb/audiobatchd/{package.name}@{quote(package.version)}?arch={package.architecture}&distro={distribution}"
    )
    ours = {
        "type": "application",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "hashes": sha256(content),
        "licenses": [{"expression": OURS}],
        "purl": purl,
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{purl}#{content}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(package.made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": ours,
        },
        "components": [*wheels, *system],
        "dependencies": [
            {
                "ref": purl,
                "dependsOn": [each["bom-ref"] for each in wheels if each["name"] in top]
                + [each["bom-ref"] for each in system],
            },
            *needs(report, {each["name"]: each["bom-ref"] for each in wheels}),
        ],
    }


def wheel(installed: Json, libraries: Json) -> Json:
    """One installed wheel. Of its address only the file's name is told: the rest is the builder's own index."""
    told = installed["metadata"]
    name = name_of(told)
    file = PurePosixPath(installed["download_info"]["url"]).name
    purl = f"pkg:pypi/{name}@{quote(told['version'])}"
    component = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": told["version"],
        "hashes": sha256(installed["download_info"]["archive_info"]["hashes"]["sha256"]),
        "licenses": [licence(told)],
        "purl": f"{purl}?file_name={quote(file)}",
    }
    brought = libraries.get(name)
    return component | ({"components": brought} if brought else {})


def system_packages(depends: str, distribution: str) -> list[Json]:
    """Debian packages that ours depends on, and which versions of them: `python3 (>= 3.11), acl`."""
    relations: dict[str, list[str]] = {}
    for relation in filter(None, map(str.strip, depends.split(","))):
        relations.setdefault(re.split(r"[\s:(|]", relation, maxsplit=1)[0], []).append(relation)
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:deb/debian/{quote(name)}?distro={distribution}",
            "name": name,
            "scope": "required",
            "purl": f"pkg:deb/debian/{quote(name)}?distro={distribution}",
            "properties": [{"name": "audiobatchd:depends", "value": each} for each in wanted],
        }
        for name, wanted in relations.items()
    ]


def needs(report: Json, references: dict[str, str]) -> Iterable[Json]:
    """List what each wheel needs of the others, where the package was built."""
    for installed in sorted(report["install"], key=lambda each: name_of(each["metadata"])):
        told = installed["metadata"]
        wanted = map(Requirement, told.get("requires_dist", []))
        environment = {**report["environment"], "extra": ""}
        names = {
            canonicalize_name(each.name) for each in wanted if not each.marker or each.marker.evaluate(environment)
        }
        yield {
            "ref": references[name_of(told)],
            "dependsOn": sorted(references[name] for name in names if name in references),
        }


def top_level(project: Path) -> set[str]:
    """Names of the libraries that the project itself asks for, also in its extras."""
    told = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    extras = [line for lines in told.get("optional-dependencies", {}).values() for line in lines]
    return {canonicalize_name(Requirement(line).name) for line in [*told.get("dependencies", []), *extras]}


def name_of(told: Json) -> str:
    """The one way to write a package's name."""
    return canonicalize_name(told["name"])
