"""Which addresses and which spellings of addresses are called at all."""

from ipaddress import ip_address, ip_network

import pytest

from journeys_api.delivery.public_addresses import is_public
from journeys_api.delivery.web_urls import UrlRefused, parse_url

SPECIAL = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1"),
    *("127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255"),
    *("192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1"),
    *("::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "100::1", "2001::1"),
    *("2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fe80::1%lo", "fec0::1", "ff02::1"),
]
PUBLIC = (
    "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 198.17.0.1 198.20.0.1 2606:4700::1111 2a00::1"
)


@pytest.mark.parametrize("address", SPECIAL)
def test_an_address_set_aside_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC.split())
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_an_operator_may_allow_one_network_and_no_more() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/64")]

    assert is_public(ip_address("10.1.2.3"), allowed=allowed)
    assert is_public(ip_address("fd00::1"), allowed=allowed)
    assert not is_public(ip_address("10.2.0.1"), allowed=allowed)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "url_characters"),
        ("https://h.example/" + "a" * 2048, "url_too_long"),
        ("ftp://h.example/", "url_scheme"),
        ("//h.example/", "url_scheme"),
        ("file:///etc/passwd", "url_scheme"),
        ("https://u:p@h.example/", "url_userinfo"),
        ("https://u@h.example/", "url_userinfo"),
        ("https://h.example\\@evil.example/", "url_characters"),
        ("https://h.example/ x", "url_characters"),
        ("https://h.example/\r\nX: y", "url_characters"),
        ("https://h.\texample/", "url_characters"),
        ("https://h.example/\x00", "url_characters"),
        ("https://h.example/#@evil.example", "url_fragment"),
        ("https://", "url_host"),
        ("https:///path", "url_host"),
        ("https://:443/", "url_host"),
        ("https://h.example./", "url_host"),
        ("https://h..example/", "url_host"),
        ("https://-h.example/", "url_host"),
        ("https://ｅvil.example/", "url_host"),
        ("https://127。0。0。1/", "url_host"),
        ("https://１２７.0.0.1/", "url_host"),
        ("https://" + "a" * 64 + ".example/", "url_host"),
        ("https://" + "a." * 126 + "example/", "url_host"),
        ("https://%31%32%37.0.0.1/", "url_host"),
        ("http://127.1/", "url_host"),
        ("http://2130706433/", "url_host"),
        ("http://0x7f.1/", "url_host"),
        ("http://0X7F000001/", "url_host"),
        ("http://017700000001/", "url_host"),
        ("http://127.0.0.01/", "url_host"),
        ("http://0/", "url_host"),
        ("http://h.example.1/", "url_host"),
        ("http://1.2.3.4.5/", "url_host"),
        ("http://256.1.1.1/", "url_host"),
        ("http://[::1/", "url_host"),
        ("http://[::1]evil.example/", "url_host"),
        ("http://[fe80::1%25lo]/", "url_host"),
        ("http://[v1.x]/", "url_host"),
        ("http://[]/", "url_host"),
        ("http://h.example:/", "url_host"),
        ("http://h.example:80:80/", "url_host"),
        ("http://h.example:-1/", "url_host"),
        ("http://h.example:0/", "url_port"),
        ("http://h.example:22/", "url_port"),
        ("http://h.example:25/", "url_port"),
        ("http://h.example:65536/", "url_port"),
    ],
)
def test_a_url_that_readers_could_differ_about_is_refused(url: str, reason: str) -> None:
    with pytest.raises(UrlRefused, match=f"^{reason}$"):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://H.Example", "h.example", "/"),
        ("http://h.example:8080/a?b=c&d=%20", "h.example:8080", "/a?b=c&d=%20"),
        ("https://h.example:443/", "h.example", "/"),
        ("http://h_1.example?x", "h_1.example", "/?x"),
        ("https://bücher.example/ä?ö={1}", "xn--bcher-kva.example", "/%C3%A4?%C3%B6=%7B1%7D"),
        ("http://[2606:4700:0::1111]:8080/", "[2606:4700::1111]:8080", "/"),
        ("http://8.8.8.8/", "8.8.8.8", "/"),
    ],
)
def test_a_plain_url_is_taken_apart(url: str, authority: str, target: str) -> None:
    parsed = parse_url(url)

    assert (parsed.authority, parsed.target) == (authority, target)
