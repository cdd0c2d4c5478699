"""What Grafana shows, as data; dashboards.py makes its files out of it. A new figure is a new Panel here."""

from __future__ import annotations

from dataclasses import dataclass

RATIO, COUNT, SECONDS, METRES, PER_SECOND = "percentunit", "short", "s", "lengthm", "reqps"


@dataclass(frozen=True)
class Panel:
    """A query of Prometheus, which answers on every system that is at work: with 0 where nothing happened yet."""

    en: str
    zh: str
    query: str
    legend: str
    unit: str = COUNT


@dataclass(frozen=True)
class Dashboard:
    en: str
    zh: str
    panels: tuple[Panel, ...]


DASHBOARDS: dict[str, Dashboard] = {
    "rates": Dashboard(
        "The city's rates",
        "城市设施指标",
        (
            Panel(
                "Intact rate",
                "完好率",
                "max by (kind, district) (waywarden_intact_ratio)",
                "{{kind}} {{district}}",
                RATIO,
            ),
            Panel(
                "Light-on rate",
                "亮灯率",
                "max by (method, district) (waywarden_light_on_ratio)",
                "{{method}} {{district}}",
                RATIO,
            ),
            Panel("Facilities by condition", "设施状态", "waywarden:facilities:sum", "{{kind}} {{condition}}"),
            Panel(
                "Findings that arrived",
                "上报问题",
                "sum by (source) (max by (source, category) (waywarden_findings_total))",
                "{{source}}",
            ),
            Panel(
                "Findings by category, per hour",
                "每小时上报（按类别）",
                "sum by (category) (max by (source, category) (increase(waywarden_findings_total[1h])))",
                "{{category}}",
            ),
        ),
    ),
    "lighting": Dashboard(
        "Lighting",
        "照明",
        (
            Panel(
                "Light-on rate by district",
                "各区亮灯率",
                "max by (method, kind, district) (waywarden_light_on_ratio)",
                "{{method}} {{kind}} {{district}}",
                RATIO,
            ),
            Panel(
                "Lamps looked at",
                "已查灯数",
                "sum by (method) (max by (method, kind, district) (waywarden_lamps_checked))",
                "{{method}}",
            ),
            Panel(
                "Lamps lit",
                "亮灯数",
                "sum by (method) (max by (method, kind, district) (waywarden_lamps_lit))",
                "{{method}}",
            ),
            Panel(
                "Lamps of which nothing is known",
                "状态未知的灯",
                "sum by (method) (max by (method, kind, district) (waywarden_lamps_unknown))",
                "{{method}}",
            ),
            Panel(
                "Silent lamp controllers",
                "失联的单灯控制器",
                "sum by (district) (max by (kind, district) (waywarden_lamps_silent)) or vector(0)",
                "{{district}}",
            ),
            Panel(
                "Lamps that burn by day",
                "白天亮的灯",
                "sum by (district) (max by (kind, district) (waywarden_lamps_day_burning))",
                "{{district}}",
            ),
        ),
    ),
    "orders": Dashboard(
        "Orders and deadlines",
        "工单与时限",
        (
            Panel("Orders by state", "各状态工单", "waywarden:work_orders:sum", "{{state}}"),
            Panel(
                "Overdue",
                "超期工单",
                "sum by (district) (max by (category, district) (waywarden_work_orders_overdue)) or vector(0)",
                "{{district}}",
            ),
            Panel(
                "Closed, by category",
                "已结案（按类别）",
                'sum by (category) (max by (category, district) (waywarden_work_orders{state="closed"}))',
                "{{category}}",
            ),
            Panel(
                "Open, by district",
                "在办（按区）",
                'sum by (district) (max by (state, category, district) (waywarden_work_orders{state!~"closed|void"}))'
                " or vector(0)",
                "{{district}}",
            ),
        ),
    ),
    "floods": Dashboard(
        "Floods",
        "防汛",
        (
            Panel(
                "Alerts that stand",
                "未解除的告警",
                "waywarden:alerts_active:sum or vector(0)",
                "{{severity}} {{acknowledged}}",
            ),
            Panel(
                "Alerts without an open order",
                "告警未解除而工单已了结",
                "sum by (state) (max by (state, district) (waywarden_alerts_without_open_order)) or vector(0)",
                "{{state}}",
            ),
            Panel("Water levels", "水位", "max by (sensor) (waywarden_water_level_metres)", "{{sensor}}", METRES),
            Panel(
                "Rain in an hour",
                "小时雨量",
                "max by (sensor) (increase(waywarden_rain_metres_total[1h])) or vector(0)",
                "{{sensor}}",
                METRES,
            ),
            Panel(
                "Silent gauges",
                "失联传感器",
                "sum by (kind) (max by (kind, district) (waywarden_sensors_silent))",
                "{{kind}}",
            ),
            Panel(
                "Age of the newest reading",
                "最近读数距今",
                "time() - max by (sensor) (waywarden_sensor_last_reading_timestamp_seconds)",
                "{{sensor}}",
                SECONDS,
            ),
            Panel(
                "Time to take an alert, mean",
                "平均接警时间",
                "sum(waywarden_alert_acknowledge_seconds_sum) / sum(waywarden_alert_acknowledge_seconds_count)",
                "",
                SECONDS,
            ),
            Panel(
                "Readings refused",
                "被拒收的读数",
                "sum by (kind, reason) (max by (kind, reason) (waywarden_readings_rejected_total)) or vector(0)",
                "{{kind}} {{reason}}",
            ),
        ),
    ),
    "system": Dashboard(
        "The system",
        "系统运行",
        (
            Panel("Up", "在线", 'up{job="waywarden"}', "{{instance}}"),
            Panel("Databases that answer", "数据库连通", "max by (service) (waywarden_database_up)", "{{service}}"),
            Panel(
                "Databases that take writes",
                "数据库可写",
                "max by (service) (waywarden_database_writable)",
                "{{service}}",
            ),
            Panel(
                "Requests and batches",
                "请求与批次",
                "sum by (service) (rate(waywarden_entrypoint_duration_seconds_count[5m]))",
                "{{service}}",
                PER_SECOND,
            ),
            Panel(
                "One in a hundred takes",
                "99 分位耗时",
                "waywarden:entrypoint_duration_seconds:p99",
                "{{service}}",
                SECONDS,
            ),
            Panel(
                "Failures",
                "出错",
                "sum by (service) (rate(waywarden_entrypoint_failures_total[5m]))"
                " or 0 * max by (service) (waywarden_database_up)",
                "{{service}}",
                PER_SECOND,
            ),
            Panel("Events that wait to leave", "待发事件", "waywarden:outbox_pending:by_service", "{{service}}"),
            Panel(
                "The oldest of them",
                "最早的待发事件",
                "max by (service) (waywarden_outbox_oldest_seconds)",
                "{{service}}",
                SECONDS,
            ),
            Panel(
                "Events tried again, dead letters",
                "重试与死信",
                "max by (service) (waywarden_retries) + max by (service) (waywarden_dead_letters)",
                "{{service}}",
            ),
            Panel(
                "Events that found no queue",
                "找不到队列的事件",
                "sum by (service) (waywarden_unrouted_events_total)",
                "{{service}}",
            ),
            Panel(
                "Deliveries to no effect",
                "无效投递",
                "max by (queue) (waywarden_event_deliveries_highest)",
                "{{queue}}",
            ),
        ),
    ),
}
