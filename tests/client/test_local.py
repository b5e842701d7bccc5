"""A service of one's own stops with its client, and says in a sentence what it lacks."""

import pytest

from shap_supervisor import Client, NotInstalled, Unreachable, local


def test_it_stops_with_its_client() -> None:
    client = Client.local()
    assert client.health()["status"] == "pass"
    client.close()
    with pytest.raises(Unreachable), Client(client.url, timeout=1) as late:
        late.health()


def test_without_the_service_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise ImportError

    monkeypatch.setattr(local, "import_module", missing)
    with pytest.raises(NotInstalled, match="pip install shap-supervisor"):
        Client.local()
