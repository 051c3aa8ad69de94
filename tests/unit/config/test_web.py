"""The `[web]` table: what is refused, and the addresses that a page has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from audiobatchd.config.file import differences, load_config
from audiobatchd.config.web import Address, WebConfig, address_of, check, url_of
from audiobatchd.errors import ConfigError


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8787", Address("127.0.0.1", 8787)),
        ("[::1]:8787", Address("::1", 8787)),
        ("[0:0::1]:1", Address("::1", 1)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),  # noqa: S104  # parsed, not listened on
        ("/run/audiobatchd/web.sock", Address(socket="/run/audiobatchd/web.sock")),
    ],
)
def test_addresses_are_parsed_and_written_alike(listen: str, address: Address) -> None:
    assert address_of(listen) == address
    assert address_of(str(address)) == address


@pytest.mark.parametrize(
    "listen",
    ["", "8787", ":8787", "localhost:8787", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "::1:8787",
     "[127.0.0.1]", "[::1]", "1.2.3:80", "256.1.1.1:80", "web.sock", "/" + "x" * 107, "127.0.0.1:8787 ", "127.1:80"],
)  # fmt: skip
def test_other_addresses_are_refused(listen: str) -> None:
    with pytest.raises(ConfigError):
        address_of(listen)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"listen": "0.0.0.0:8787"}, "listen"),
        ({"listen": "192.168.1.5:8787", "hosts": ("nas",)}, "listen"),
        ({"listen": "[::]:8787", "certificate": "c", "key": "k"}, "listen"),
        ({"listen": "/run/web.sock"}, "listen"),
        ({"listen": "nonsense"}, "listen"),
        ({"certificate": "c"}, "certificate"),
        ({"key": "k"}, "certificate"),
        ({"listen": "127.0.0.1:8787", "behind_proxy": True, "hosts": ("nas",)}, "behind_proxy"),
        ({"listen": "127.0.0.1:8787", "behind_proxy": True, "trusted_proxies": ("127.0.0.1",)}, "listen"),
        ({"trusted_proxies": ("1.2",)}, "trusted_proxies"),
    ],
)
def test_what_is_not_safe_is_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"`web.{key}`"):
        check(WebConfig(**settings))


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"listen": "127.0.0.1:8787"}, "http://127.0.0.1:8787/"),
        ({"listen": "[::1]:8787", "base_path": "/music/"}, "http://[::1]:8787/music/"),
        ({"listen": "127.0.0.1:8787", "hosts": ("nas",)}, "http://127.0.0.1:8787/"),
        ({"listen": "0.0.0.0:8787", "hosts": ("nas",), "certificate": "c", "key": "k"}, "https://nas:8787/"),
        ({"listen": "[::]:8787", "hosts": ("fd00::5",), "certificate": "c", "key": "k"}, "https://[fd00::5]:8787/"),
        ({"listen": "192.168.1.5:8787", "certificate": "c", "key": "k"}, "https://192.168.1.5:8787/"),
        ({"listen": "/run/web.sock", "hosts": ("nas",), "base_path": "/music/"}, "https://nas/music/"),
        (
            {"listen": "10.0.0.2:80", "hosts": ("nas",), "behind_proxy": True, "trusted_proxies": ("10.0.0.1",)},
            "https://nas/",
        ),
    ],
)
def test_a_page_has_an_address_for_browsers(settings: dict[str, Any], url: str) -> None:
    web = WebConfig(**settings)
    check(web)
    assert url_of(web) == url


@pytest.mark.parametrize(
    "line",
    ['base_path = "music"', 'base_path = "/music"', 'base_path = "/a//"', 'base_path = "/{x}/"', 'base_path = "/a b/"',
     'hosts = ["http://nas"]', 'hosts = ["nas:80"]', 'hosts = ["*"]', 'hosts = "nas"', "link_lifetime = 9",
     "link_lifetime = 86401", "link_lifetime = nan", "port = 8787", 'listen = ""', 'hosts = ["a\\nb"]'],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    (tmp_path / "c.toml").write_text(f"workers = 2\n[web]\n{line}\n")
    with pytest.raises(ConfigError, match=r"at `web.*\(line [23]\)"):
        load_config(tmp_path / "c.toml")


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[web]\ncertificate = "c.pem"\nkey = "/k.pem"\n')
    web = load_config(tmp_path / "c.toml").web
    assert (web.certificate, web.key) == (str(tmp_path / "c.pem"), "/k.pem")


def test_a_change_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    before = load_config(tmp_path / "c.toml")
    after = msgspec.structs.replace(before, web=WebConfig(listen="127.0.0.1:8787"))
    assert differences(before, after) == ['web: listen: not set -> "127.0.0.1:8787"']
