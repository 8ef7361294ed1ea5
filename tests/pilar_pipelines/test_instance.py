from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from pilar_pipelines.instance import storage_url, write_instance, write_workspace

_TEMPLATE = Path(__file__).parents[2] / "deploy" / "dagster.yaml"


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_dagster_gets_the_old_driver_and_an_encoded_password(driver: str) -> None:
    url = storage_url(f"{driver}://someone:p%40ss%2Fw%3A%25rd@127.0.0.1:5433/dagster?sslmode=disable")
    assert url == "postgresql+psycopg2://someone:p%40ss%2Fw%3A%25rd@127.0.0.1:5433/dagster?sslmode=disable"
    assert make_url(url).password == "p@ss/w:%rd"


def test_the_instance_file_is_read_by_its_owner_only_and_can_be_written_again(tmp_path: Path) -> None:
    path = write_instance(tmp_path / "dagster", "postgresql://a:b@127.0.0.1/c")
    assert (
        write_instance(tmp_path / "dagster", "postgresql://a:d@127.0.0.1/c")
        == path
        == tmp_path / "dagster/dagster.yaml"
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert _load(path)["storage"]["postgres"]["postgres_url"] == "postgresql+psycopg2://a:d@127.0.0.1/c"


def test_the_template_for_production_differs_in_the_address_of_the_database_only(tmp_path: Path) -> None:
    here, there = _load(write_instance(tmp_path, "postgresql://a:b@127.0.0.1/c")), _load(_TEMPLATE)
    assert there.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    del here["storage"]
    assert here == there


def test_the_workspace_file_names_the_code_server(tmp_path: Path) -> None:
    (server,) = _load(write_workspace(tmp_path, 4321))["load_from"]
    assert server["grpc_server"] == {"host": "127.0.0.1", "port": 4321, "location_name": "pilar"}
