"""The files that come with the code say what the code says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from journeys_api.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def compose() -> Any:
    """The compose file, read."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_example_environment_lists_every_setting_and_no_other() -> None:
    listed = re.findall(r"^#JOURNEYS_([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert listed == [name.upper() for name in Settings.model_fields]


def test_the_example_environment_shows_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    taken = tmp_path / "env"
    taken.write_text("\n".join(line[1:] for line in text.splitlines() if re.match(r"#JOURNEYS_\w+=.", line)))

    shown = Settings(_env_file=taken)  # type: ignore[call-arg]

    assert shown == Settings(_env_file=None)  # type: ignore[call-arg]


def test_every_requirement_is_pinned() -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins}
    project = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    assert project is not None
    required = {
        re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r'^\s+"([\w.-]+)', project[1], re.MULTILINE)
    }

    assert required - pinned == set()
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.+!-]+", pin)] == []


def test_the_composition_has_every_part_with_settings_that_exist(compose: Any) -> None:
    services = compose["services"]

    assert set(services) == {"api", "worker", "postgres", "valkey", "mailpit"}
    assert (services["postgres"]["image"], services["valkey"]["image"]) == ("postgres:18", "valkey/valkey:8")
    for name in ("api", "worker"):
        given = {key.removeprefix("JOURNEYS_").lower() for key in services[name]["environment"]}
        assert given <= set(Settings.model_fields)


def test_the_composition_holds_no_secret() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    for name in ("POSTGRES_PASSWORD", "JOURNEYS_SECRET_KEY", "JOURNEYS_ADMIN_API_KEY"):
        assert re.findall(rf"{name}: (?!\$\{{{name}:\?)", text) == []
