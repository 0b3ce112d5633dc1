"""What orders counts."""

from prometheus_client import Counter

CHECKOUTS = Counter(
    "lockstock_checkouts_total", "Orders asked for, by what came of them.", ["outcome"]
)
PAYMENT_EVENTS = Counter(
    "lockstock_payment_events_total", "Payment events applied, by outcome.", ["outcome"]
)
LOOK_UPS = Counter(
    "lockstock_payment_look_ups_total",
    "Payments that their provider was asked about, by what it said.",
    ["outcome"],
)
REFUNDS = Counter("lockstock_refunds_total", "Refunds by how the provider took them.", ["outcome"])
LEFT_TO_WORKER = Counter(
    "lockstock_left_to_worker_total",
    "Steps that failed inside their request and are done by a worker later, by step.",
    ["step"],
)
