"""What most teams write: FastAPI, SQLAlchemy's async ORM, one transaction for each order.

It is meant to be a fair one: correct row locks in one order, prices and stock read once per order,
an idempotency key that holds, the login verified, asyncpg, uvloop and httptools below, a pool of
the size that serves it well. It does less than Lockstock: one warehouse per line, no deadline that
is exact, no ledger, one transaction where Lockstock has two.
"""
