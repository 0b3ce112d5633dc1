"""What webhooks count."""

from prometheus_client import Counter, Gauge

DELIVERIES = Counter(
    "lockstock_webhook_deliveries_total",
    "Attempts to deliver events to webhooks, by what came of them: delivered, retried, failed.",
    ["outcome"],
)
DISABLED = Counter(
    "lockstock_webhooks_disabled_total", "Webhooks that were switched off, by reason.", ["reason"]
)
OLDEST_WAITING = Gauge(
    "lockstock_webhook_oldest_waiting_seconds",
    "Age of the oldest event that an active webhook has not got; 0 where there is none.",
)
UNDER_WAY = Gauge("lockstock_webhook_attempts_under_way", "Attempts of this process under way.")
