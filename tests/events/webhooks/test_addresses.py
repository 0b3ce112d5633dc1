"""Which addresses webhooks may lead to: the public internet, whatever a name says meanwhile."""

import pytest

from lockstock.events.webhooks.addresses import Addresses, Unreachable
from lockstock.events.webhooks.rules import BadUrl, is_outside, target_of

INSIDE = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.1.2.3
    169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170
    192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7
    203.0.113.9 224.0.0.1 224.0.1.1 239.255.255.250 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8
    64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::808:808 64:ff9b:1::a00:1 100::1 100:0:0:1::1
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1
    2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 2620:4f:8000::1 3fff::1 3fff:fff::1 5f00::1
    fc00::1 fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 ff0e::1
    localhost 127.1 2130706433 0x7f000001 017700000001 nothing
""".split()  # noqa: SIM905
OUTSIDE = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
    169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1
    198.17.255.255 198.20.0.1 223.255.255.255
    2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450:4001::1 2600::1
""".split()  # noqa: SIM905

GOOD = [
    ("https://example.com/hook?token=1", "example.com", 443),
    ("http://example.com", "example.com", 80),
    ("HTTPS://EXAMPLE.com:8443/a", "example.com", 8443),
    ("https://münchen.example/ü", "xn--mnchen-3ya.example", 443),
    ("https://[2600::1]:8443/", "2600::1", 8443),
]
BAD = [
    "",
    "example.com",
    "//example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "https://",
    "https:///hook",
    "https://ann@example.com/",
    "https://ann:secret@example.com/",
    "https://:@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com#@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com /",
    "https://example.com/\r\nHost: inside",
    "https://example.com/\0",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:-1/",
    "https://example.com:a/",
    "https://[::1/",
    "https://exa\u2028mple.com/",
]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_seen(address: str) -> None:
    assert not is_outside(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_seen(address: str) -> None:
    assert is_outside(address)


@pytest.mark.parametrize(("url", "host", "port"), GOOD)
def test_an_address_is_read(url: str, host: str, port: int) -> None:
    target = target_of(url)
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize("url", BAD)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        target_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://localhost./",
        "http://LOCALHOST/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.1.2.3:8080/",
        "http://①②⑦.⓪.⓪.①/",
    ],
)
async def test_each_way_to_write_an_inner_address_is_refused(url: str) -> None:
    """By the resolver of this machine, as it is when a webhook is made and at each attempt."""
    addresses = Addresses(allow_private=False)
    try:
        with pytest.raises((Unreachable, BadUrl)):
            await addresses.of(target_of(url))
    finally:
        await addresses.close()


async def test_a_name_with_one_inner_address_is_refused() -> None:
    """Whoever mixes them hopes that the first one is looked at and the second one used."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(Unreachable):
        await Addresses(allow_private=False, resolve=resolve).of(target_of("http://a.example/"))


async def test_a_name_without_address_is_refused() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("nobody knows")

    with pytest.raises(Unreachable, match="not known"):
        await Addresses(allow_private=True, resolve=resolve).of(target_of("http://a.example/"))
