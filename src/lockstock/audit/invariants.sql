-- What must hold at every commit. Each statement returns the rows that break its promise, and no
-- row where all is well. All of them are run on one snapshot, so a shop may sell meanwhile.

-- I1 nothing is promised twice: 0 <= held, 0 <= committed, held + committed <= on hand
SELECT shop_id, variant_id, warehouse_id, on_hand, held, committed
FROM warehouses.stock
WHERE held < 0 OR committed < 0 OR incoming < 0 OR held + committed > on_hand;

-- I2 on hand is the sum of its ledger and its last balance
SELECT s.shop_id, s.variant_id, s.warehouse_id, s.on_hand, l.total, l.last_balance
FROM warehouses.stock AS s
FULL JOIN (
    SELECT shop_id, variant_id, warehouse_id, sum(delta) AS total,
        (array_agg(balance ORDER BY sequence DESC))[1] AS last_balance
    FROM warehouses.movements
    GROUP BY shop_id, variant_id, warehouse_id
) AS l USING (shop_id, variant_id, warehouse_id)
WHERE s.on_hand IS DISTINCT FROM coalesce(l.total, 0)
    OR s.on_hand IS DISTINCT FROM coalesce(l.last_balance, 0);

-- I2a each balance of the ledger is the one before it and the change
SELECT shop_id, variant_id, warehouse_id, sequence, delta, balance, balance_before
FROM (
    SELECT shop_id, variant_id, warehouse_id, sequence, delta, balance,
        lag(balance, 1, 0::bigint) OVER (
            PARTITION BY shop_id, variant_id, warehouse_id ORDER BY sequence
        ) AS balance_before
    FROM warehouses.movements
) AS l
WHERE balance <> balance_before + delta OR balance < 0;

-- I2b held and committed are the sums of the open allocations and of what is ready for transfer
SELECT s.shop_id, s.variant_id, s.warehouse_id, s.held, a.held AS promised_held, s.committed,
    a.committed AS promised_committed
FROM warehouses.stock AS s
FULL JOIN (
    SELECT shop_id, variant_id, warehouse_id, sum(held) AS held, sum(committed) AS committed
    FROM (
        SELECT shop_id, variant_id, warehouse_id,
            CASE WHEN status = 'held' THEN quantity ELSE 0 END AS held,
            CASE WHEN status = 'committed' THEN quantity - shipped ELSE 0 END AS committed
        FROM warehouses.allocations
        UNION ALL
        SELECT l.shop_id, l.variant_id, t.from_warehouse_id, 0, l.quantity
        FROM warehouses.transfer_lines AS l
        JOIN warehouses.transfers AS t ON t.shop_id = l.shop_id AND t.id = l.transfer_id
        WHERE t.status = 'ready'
    ) AS promise
    GROUP BY shop_id, variant_id, warehouse_id
) AS a USING (shop_id, variant_id, warehouse_id)
WHERE s.held IS DISTINCT FROM coalesce(a.held, 0)
    OR s.committed IS DISTINCT FROM coalesce(a.committed, 0);

-- I3 the ledger is dense: 1, 2, 3 … for each stock row
SELECT shop_id, variant_id, warehouse_id, s.sequence, l.lines, l.first, l.last
FROM warehouses.stock AS s
FULL JOIN (
    SELECT shop_id, variant_id, warehouse_id, count(*) AS lines, min(sequence) AS first,
        max(sequence) AS last
    FROM warehouses.movements
    GROUP BY shop_id, variant_id, warehouse_id
) AS l USING (shop_id, variant_id, warehouse_id)
WHERE s.sequence IS DISTINCT FROM coalesce(l.lines, 0)
    OR (l.lines IS NOT NULL AND (l.first <> 1 OR l.last <> l.lines));

-- I4 units are conserved: what came in is on hand, shipped, in transit, damaged or lost on the way
SELECT shop_id, variant_id, m.came_in, s.on_hand, m.shipped, t.in_transit, t.damaged, t.lost,
    m.transferred
FROM (
    SELECT shop_id, variant_id,
        coalesce(sum(delta) FILTER (WHERE kind IN (
            'receive', 'return', 'adjust', 'count', 'write_off', 'damage'
        )), 0) AS came_in,
        coalesce(-sum(delta) FILTER (WHERE kind = 'ship'), 0) AS shipped,
        coalesce(sum(delta) FILTER (WHERE kind IN (
            'transfer_out', 'transfer_in', 'transfer_return'
        )), 0) AS transferred
    FROM warehouses.movements
    GROUP BY shop_id, variant_id
) AS m
FULL JOIN (
    SELECT shop_id, variant_id, sum(on_hand) AS on_hand
    FROM warehouses.stock
    GROUP BY shop_id, variant_id
) AS s USING (shop_id, variant_id)
FULL JOIN (
    SELECT shop_id, variant_id, sum(dispatched - received - damaged - returned - lost)
            AS in_transit,
        sum(damaged) AS damaged, sum(lost) AS lost
    FROM warehouses.transfer_lines
    GROUP BY shop_id, variant_id
) AS t USING (shop_id, variant_id)
WHERE coalesce(m.came_in, 0) <> coalesce(s.on_hand, 0) + coalesce(m.shipped, 0)
        + coalesce(t.in_transit, 0) + coalesce(t.damaged, 0) + coalesce(t.lost, 0)
    OR -coalesce(m.transferred, 0)
        <> coalesce(t.in_transit, 0) + coalesce(t.damaged, 0) + coalesce(t.lost, 0);

-- I4a what the ledger says was shipped and returned is what orders were shipped and returned
SELECT shop_id, variant_id, m.shipped, a.shipped AS shipped_of_orders, m.returned,
    a.returned AS returned_of_orders
FROM (
    SELECT shop_id, variant_id,
        coalesce(-sum(delta) FILTER (WHERE kind = 'ship'), 0) AS shipped,
        coalesce(sum(delta) FILTER (WHERE kind = 'return'), 0) AS returned
    FROM warehouses.movements
    GROUP BY shop_id, variant_id
) AS m
FULL JOIN (
    SELECT shop_id, variant_id, sum(shipped) AS shipped, sum(returned) AS returned
    FROM warehouses.allocations
    GROUP BY shop_id, variant_id
) AS a USING (shop_id, variant_id)
WHERE coalesce(m.shipped, 0) <> coalesce(a.shipped, 0)
    OR coalesce(m.returned, 0) <> coalesce(a.returned, 0);

-- I4b of each return that is done, what came back and what of it was damaged, as the ledger says
SELECT r.shop_id, r.return_id, r.variant_id, r.warehouse_id, r.units, m.back, r.broken, m.damaged
FROM (
    SELECT b.shop_id, b.id AS return_id, (p ->> 'variant_id')::uuid AS variant_id,
        (p ->> 'to_warehouse_id')::uuid AS warehouse_id,
        sum((p ->> 'quantity')::bigint) AS units,
        coalesce(sum((p ->> 'quantity')::bigint)
            FILTER (WHERE p ->> 'condition' = 'damaged'), 0) AS broken
    FROM orders.returns AS b
    CROSS JOIN LATERAL jsonb_array_elements(b.parts) AS p
    WHERE b.status = 'done'
    GROUP BY 1, 2, 3, 4
) AS r
LEFT JOIN (
    SELECT shop_id, cause_id AS return_id, variant_id, warehouse_id,
        coalesce(sum(delta) FILTER (WHERE kind = 'return'), 0) AS back,
        coalesce(-sum(delta) FILTER (WHERE kind = 'damage'), 0) AS damaged
    FROM warehouses.movements
    WHERE kind IN ('return', 'damage')
    GROUP BY 1, 2, 3, 4
) AS m USING (shop_id, return_id, variant_id, warehouse_id)
WHERE r.units <> coalesce(m.back, 0) OR r.broken <> coalesce(m.damaged, 0);

-- I5 a reservation ends once, and its allocations with it
SELECT r.shop_id, r.order_id, r.attempt, r.status, a.status AS allocation_status
FROM warehouses.reservations AS r
FULL JOIN warehouses.allocations AS a USING (shop_id, order_id, attempt)
WHERE r.status IS NULL OR a.status IS NULL OR r.expires_at <> a.expires_at
    OR (a.status <> r.status
        -- A buyer has freed this part of a hold past its deadline; the sweeper marks the whole.
        AND NOT (r.status = 'held' AND a.status = 'expired'
            AND r.expires_at <= statement_timestamp()));

-- I5a an order has at most one reservation that is open
SELECT shop_id, order_id, count(*) AS open
FROM warehouses.reservations
WHERE status = 'committed' OR (status = 'held' AND expires_at > statement_timestamp())
GROUP BY shop_id, order_id
HAVING count(*) > 1;

-- I7 never oversold: units shipped or promised firmly never exceed the units that came in
SELECT shop_id, variant_id, m.came_in, m.shipped, s.committed
FROM (
    SELECT shop_id, variant_id,
        coalesce(sum(delta) FILTER (WHERE kind IN (
            'receive', 'return', 'adjust', 'count', 'write_off', 'damage'
        )), 0) AS came_in,
        coalesce(-sum(delta) FILTER (WHERE kind = 'ship'), 0) AS shipped
    FROM warehouses.movements
    GROUP BY shop_id, variant_id
) AS m
FULL JOIN (
    SELECT shop_id, variant_id, sum(quantity - shipped) AS committed
    FROM warehouses.allocations
    WHERE status = 'committed'
    GROUP BY shop_id, variant_id
) AS s USING (shop_id, variant_id)
WHERE coalesce(m.shipped, 0) + coalesce(s.committed, 0) > coalesce(m.came_in, 0);

-- I8 the total of an order is the sum of its lines
SELECT o.shop_id, o.id AS order_id, o.total_minor, l.total AS total_of_lines
FROM orders.orders AS o
FULL JOIN (
    SELECT shop_id, order_id AS id, sum(quantity::numeric * unit_price_minor) AS total
    FROM orders.lines
    GROUP BY shop_id, order_id
) AS l USING (shop_id, id)
WHERE o.total_minor IS DISTINCT FROM l.total;

-- I9 a paid order was paid: one captured payment covers its total, in its currency
SELECT o.shop_id, o.id AS order_id, o.status, o.total_minor, p.id AS payment_id, p.status AS
    payment_status, p.captured_minor
FROM orders.orders AS o
LEFT JOIN orders.payments AS p
    ON p.shop_id = o.shop_id AND p.order_id = o.id AND p.id = o.paid_by
WHERE (o.status IN ('paid', 'partly_shipped', 'shipped', 'completed') OR o.paid_by IS NOT NULL)
    AND (p.id IS NULL OR p.status NOT IN ('captured', 'refunded')
        OR p.captured_minor IS DISTINCT FROM o.total_minor
        OR p.captured_currency IS DISTINCT FROM o.currency);

-- I9a a paid order has its stock: what is committed or shipped is what its lines say
SELECT o.shop_id, o.id AS order_id, o.status, l.variant_id, l.quantity, a.quantity AS allocated
FROM orders.orders AS o
JOIN (
    SELECT shop_id, order_id, variant_id, sum(quantity) AS quantity
    FROM orders.lines
    GROUP BY shop_id, order_id, variant_id
) AS l ON l.shop_id = o.shop_id AND l.order_id = o.id
LEFT JOIN (
    SELECT shop_id, order_id, variant_id, sum(quantity) AS quantity
    FROM warehouses.allocations
    WHERE status = 'committed'
    GROUP BY shop_id, order_id, variant_id
) AS a ON a.shop_id = l.shop_id AND a.order_id = l.order_id AND a.variant_id = l.variant_id
WHERE o.status IN ('paid', 'partly_shipped', 'shipped', 'completed')
    AND l.quantity IS DISTINCT FROM a.quantity;

-- I9b captured money has committed stock or a refund on record
SELECT p.shop_id, p.order_id, o.status, p.id AS payment_id, p.captured_minor, r.refunded
FROM orders.payments AS p
JOIN orders.orders AS o ON o.shop_id = p.shop_id AND o.id = p.order_id
LEFT JOIN (
    SELECT shop_id, payment_id, sum(amount_minor) AS refunded
    FROM orders.refunds
    GROUP BY shop_id, payment_id
) AS r ON r.shop_id = p.shop_id AND r.payment_id = p.id
WHERE p.status IN ('captured', 'refunded')
    AND NOT (o.status IN ('paid', 'partly_shipped', 'shipped', 'completed') AND o.paid_by = p.id)
    AND coalesce(r.refunded, 0) < p.captured_minor;

-- I9c no more is refunded than was captured
SELECT r.shop_id, r.payment_id, r.refunded, p.captured_minor
FROM (
    SELECT shop_id, payment_id, sum(amount_minor) AS refunded
    FROM orders.refunds
    WHERE status <> 'failed'
    GROUP BY shop_id, payment_id
) AS r
LEFT JOIN orders.payments AS p ON p.shop_id = r.shop_id AND p.id = r.payment_id
WHERE r.refunded > coalesce(p.captured_minor, 0);

-- I9d an order that is cancelled or expired keeps no stock, once its stock was looked after
SELECT o.shop_id, o.id AS order_id, o.status, a.variant_id, a.warehouse_id, a.quantity, a.shipped
FROM orders.orders AS o
JOIN warehouses.allocations AS a ON a.shop_id = o.shop_id AND a.order_id = o.id
WHERE o.status IN ('cancelled', 'expired') AND o.stock_check_at IS NULL
    AND (a.status = 'committed' OR (a.status = 'held' AND a.expires_at > statement_timestamp()))
    -- Money that came late may have taken the stock again and be about to mark the order.
    AND NOT EXISTS (
        SELECT FROM orders.payment_events AS e
        JOIN orders.payments AS p ON p.shop_id = e.shop_id AND p.id = e.payment_id
        WHERE e.shop_id = o.shop_id AND p.order_id = o.id AND e.next_try_at IS NOT NULL
    );

-- I10 an order has only moved along the listed transitions, in order, to where it is
SELECT o.shop_id, o.id AS order_id, o.status, t.sequence, t.from_status, t.to_status
FROM orders.orders AS o
LEFT JOIN (
    SELECT shop_id, order_id, sequence, from_status, to_status,
        lag(to_status, 1, 'awaiting_payment') OVER w AS status_before,
        row_number() OVER w AS place,
        lead(sequence) OVER w IS NULL AS is_last
    FROM orders.transitions
    WINDOW w AS (PARTITION BY shop_id, order_id ORDER BY sequence)
) AS t ON t.shop_id = o.shop_id AND t.order_id = o.id
WHERE (t.sequence IS NULL AND o.status <> 'awaiting_payment')
    OR t.from_status <> t.status_before OR t.sequence <> t.place
    OR (t.is_last AND t.to_status <> o.status)
    OR (t.from_status, t.to_status) NOT IN (
        ('awaiting_payment', 'paid'), ('awaiting_payment', 'cancelled'),
        ('awaiting_payment', 'expired'), ('expired', 'paid'), ('paid', 'cancelled'),
        ('paid', 'partly_shipped'), ('paid', 'shipped'), ('partly_shipped', 'shipped'),
        ('shipped', 'completed')
    );

-- I15 each order, and each step that it took, is told once: in the outbox or in the log of events
SELECT shop_id, order_id, kind, transition, coalesce(t.times, 0) AS times
FROM (
    SELECT shop_id, id AS order_id, 'order.placed' AS kind, 0 AS transition FROM orders.orders
    UNION ALL
    SELECT shop_id, order_id, 'order.' || to_status, sequence FROM orders.transitions
) AS d
FULL JOIN (
    SELECT shop_id, subject_id AS order_id, kind, transition, count(*) AS times
    FROM (
        SELECT shop_id, id, subject_id, kind,
            coalesce((data ->> 'transition')::integer, 0) AS transition
        FROM orders.outbox
        WHERE kind LIKE 'order.%' AND kind <> 'order.returned'
        UNION
        SELECT shop_id, id, subject_id, kind, coalesce((data ->> 'transition')::integer, 0)
        FROM events.log
        WHERE kind LIKE 'order.%' AND kind <> 'order.returned'
    ) AS e
    GROUP BY shop_id, subject_id, kind, transition
) AS t USING (shop_id, order_id, kind, transition)
WHERE d.order_id IS NULL OR t.times IS DISTINCT FROM 1;

-- I15a the log of a shop counts its events: 1, 2, 3, and no number is missing
SELECT shop_id, c.last, l.oldest, l.newest, coalesce(l.events, 0) AS events
FROM events.counters AS c
FULL JOIN (
    SELECT shop_id, min(sequence) AS oldest, max(sequence) AS newest, count(*) AS events
    FROM events.log
    GROUP BY shop_id
) AS l USING (shop_id)
WHERE coalesce(c.last, 0) <> coalesce(l.events, 0) OR l.oldest <> 1 OR l.newest <> l.events;

-- I15b an order is told in the order in which it took its steps
SELECT shop_id, order_id, sequence, kind, transition, before
FROM (
    SELECT shop_id, subject_id AS order_id, sequence, kind,
        coalesce((data ->> 'transition')::integer, 0) AS transition,
        lag(coalesce((data ->> 'transition')::integer, 0)) OVER (
            PARTITION BY shop_id, subject_id ORDER BY sequence) AS before
    FROM events.log
    WHERE kind LIKE 'order.%' AND kind <> 'order.returned'
) AS e
WHERE transition <= before;

-- I17 of each line dispatched = received + damaged + returned + lost + outstanding, as the ledger says
SELECT l.shop_id, l.transfer_id, t.status, l.variant_id, l.quantity, l.dispatched, m.gone,
    l.received, m.come, l.returned, m.back, l.damaged, l.lost
FROM (
    SELECT shop_id, transfer_id, variant_id, quantity, dispatched, received, damaged, returned,
        lost, dispatched - received - damaged - returned - lost AS outstanding
    FROM warehouses.transfer_lines
) AS l
LEFT JOIN warehouses.transfers AS t ON t.shop_id = l.shop_id AND t.id = l.transfer_id
FULL JOIN (
    SELECT shop_id, cause_id, variant_id,
        coalesce(-sum(delta) FILTER (WHERE kind = 'transfer_out'), 0) AS gone,
        coalesce(sum(delta) FILTER (WHERE kind = 'transfer_in'), 0) AS come,
        coalesce(sum(delta) FILTER (WHERE kind = 'transfer_return'), 0) AS back
    FROM warehouses.movements
    WHERE kind IN ('transfer_out', 'transfer_in', 'transfer_return')
    GROUP BY shop_id, cause_id, variant_id
) AS m ON m.shop_id = l.shop_id AND m.cause_id = l.transfer_id AND m.variant_id = l.variant_id
WHERE t.id IS NULL OR l.outstanding < 0
    OR l.dispatched <> CASE WHEN t.status IN ('draft', 'ready', 'cancelled') THEN 0
        ELSE l.quantity END
    OR l.dispatched <> coalesce(m.gone, 0) OR l.received <> coalesce(m.come, 0)
    OR l.returned <> coalesce(m.back, 0)
    OR (t.status IN ('received', 'closed_short') AND l.outstanding <> 0);

-- I17a incoming is what is outstanding of the transfers on their way there
SELECT shop_id, variant_id, warehouse_id, s.incoming, o.outstanding
FROM warehouses.stock AS s
FULL JOIN (
    SELECT l.shop_id, l.variant_id, t.to_warehouse_id AS warehouse_id,
        sum(l.dispatched - l.received - l.damaged - l.returned - l.lost) AS outstanding
    FROM warehouses.transfer_lines AS l
    JOIN warehouses.transfers AS t ON t.shop_id = l.shop_id AND t.id = l.transfer_id
    GROUP BY l.shop_id, l.variant_id, t.to_warehouse_id
) AS o USING (shop_id, variant_id, warehouse_id)
WHERE coalesce(s.incoming, 0) <> coalesce(o.outstanding, 0);

-- I17b a transfer has only taken the listed steps, in order, to where it is, and has ended once
SELECT t.shop_id, t.id AS transfer_id, t.status, h.sequence, h.step, h.from_status, h.to_status
FROM warehouses.transfers AS t
LEFT JOIN (
    SELECT shop_id, transfer_id, sequence, step, from_status, to_status,
        lag(to_status) OVER w AS status_before, row_number() OVER w AS place,
        lead(sequence) OVER w IS NULL AS is_last
    FROM warehouses.transfer_steps
    WINDOW w AS (PARTITION BY shop_id, transfer_id ORDER BY sequence)
) AS h ON h.shop_id = t.shop_id AND h.transfer_id = t.id
WHERE h.sequence IS NULL OR h.sequence <> h.place
    OR h.from_status IS DISTINCT FROM h.status_before
    OR (h.is_last AND h.to_status <> t.status)
    OR (h.step, coalesce(h.from_status, ''), h.to_status) NOT IN (
        ('create', '', 'draft'), ('immediate', '', 'received'), ('change', 'draft', 'draft'),
        ('change', 'ready', 'ready'), ('change', 'in_transit', 'in_transit'),
        ('change', 'partly_received', 'partly_received'), ('ready', 'draft', 'ready'),
        ('dispatch', 'ready', 'in_transit'), ('receive', 'in_transit', 'partly_received'),
        ('receive', 'in_transit', 'received'), ('receive', 'partly_received', 'partly_received'),
        ('receive', 'partly_received', 'received'), ('cancel', 'draft', 'cancelled'),
        ('cancel', 'ready', 'cancelled'), ('close', 'in_transit', 'closed_short'),
        ('close', 'partly_received', 'closed_short')
    );

-- I18 stock and promises are of a warehouse of their own shop
SELECT s.shop_id, s.variant_id, s.warehouse_id
FROM (
    SELECT shop_id, variant_id, warehouse_id FROM warehouses.stock
    UNION
    SELECT shop_id, variant_id, warehouse_id FROM warehouses.allocations
) AS s
LEFT JOIN warehouses.warehouses AS w ON w.shop_id = s.shop_id AND w.id = s.warehouse_id
WHERE w.id IS NULL;
