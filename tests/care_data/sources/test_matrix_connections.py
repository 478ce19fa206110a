"""Connections that fail before a byte of the file comes: names, ports, certificates, proxies.

Row A14 of the download matrix, and the way back from https to http of A9, which needs a certificate too.
"""

import shutil
from dataclasses import replace

import pytest
from standins.certificates import SecureServer, make
from standins.faults import running
from standins.scenes import PATH, PIN

from care_data.errors import Exit


def refused(scene) -> str:
    """The fetch fails for want of a connection, and nothing lies under the file's name."""
    ended = scene.take()
    assert (ended.code, scene.final.exists()) == (Exit.NETWORK, False), ended.text
    return ended.text


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Two self-signed certificates: one good for a day more, one that has expired."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("certificates")
    return {"good": make(folder, "good", 1), "expired": make(folder, "expired", -1)}


def test_a9_no_way_back_from_https_to_http(scene, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["good"][0]))
    scene.offer()
    with running(SecureServer(*certificates["good"])) as secure:
        secure.pages = scene.hub.pages
        scene.hosts = replace(scene.hosts, hub=secure.url)
        assert "https to http" in refused(scene)
        assert secure.asked(f"/datasets/o/n/resolve/{PIN}/{PATH}")
    assert scene.store.log == []


@pytest.mark.parametrize(
    ("address", "named"),
    [
        pytest.param("http://nowhere.invalid", "nowhere.invalid", id="no-such-name"),
        pytest.param("http://127.0.0.1:9", "no connection", id="refused"),
    ],
)
def test_a14_no_way_to_the_host(scene, address, named):
    scene.hosts = replace(scene.hosts, hub=address)
    text = refused(scene)
    assert named in text
    assert PATH in text
    assert "Traceback" not in text


@pytest.mark.parametrize("which", ["good", "expired"])
def test_a14_a_certificate_that_cannot_be_trusted_is_named(scene, certificates, monkeypatch, which):
    if which == "expired":  # trusted, were it not for its date
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates["expired"][0]))
    with running(SecureServer(*certificates[which])) as secure:
        scene.hosts = replace(scene.hosts, hub=secure.url)
        text = refused(scene)
    assert "certificate" in text
    assert ("expired" if which == "expired" else "self-signed") in text
    assert PATH in text


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://nowhere.invalid:3128", "nonsense://["])
def test_a14_a_wrong_proxy_is_named(scene, monkeypatch, proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    scene.hosts = replace(scene.hosts, hub="http://hub.example.org")
    assert "proxy" in refused(scene).lower()
