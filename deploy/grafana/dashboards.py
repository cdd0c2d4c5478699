"""Writes what panels.py describes as Grafana's JSON: ``make dashboards``. A test holds both together.

It needs the development tools (``make setup-dev``); the JSON needs nothing.
"""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard as Built
from grafana_foundation_sdk.builders.dashboard import DatasourceVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from deploy.grafana.panels import DASHBOARDS, METRES, Dashboard

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


def built(name: str, dashboard: Dashboard) -> Built:
    """Two panels side by side; the data source is chosen in Grafana."""
    made = (
        Built(f"Waywarden · {dashboard.en} · {dashboard.zh}").uid(f"waywarden-{name}").tags(["waywarden"])
        .refresh("1m").time("now-24h", "now").timezone("browser")
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )  # fmt: skip
    for panel in dashboard.panels:
        query = Dataquery().expr(panel.query).legend_format(panel.legend or panel.en).ref_id("A")
        drawn = Timeseries().title(f"{panel.en} · {panel.zh}").unit(panel.unit).datasource(SOURCE).span(12).height(8)
        made = made.with_panel((drawn if panel.unit == METRES else drawn.min(0)).with_target(query))
    return made


def text_of(dashboard: Dashboard) -> str:
    name = next(name for name, each in DASHBOARDS.items() if each is dashboard)
    text: str = JSONEncoder(sort_keys=True, indent=1, ensure_ascii=False).encode(built(name, dashboard).build())
    return text + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, dashboard in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(text_of(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
