"""A customer with a case, a purchase and a correction, told step by step."""

from datetime import datetime
from typing import Any

import psycopg

from tests.api.asking import Api


class Story:
    """What happened, with the position of each step."""

    def __init__(self, api: Api) -> None:
        tell = self._tell
        self.at: dict[str, int] = {}
        self.api = api
        self.ada = tell("registered", "registerCustomer", name="Ada", occurredAt="2026-01-01T00:00:00Z")
        self.case = tell("opened", "openCase", customerId=self.ada, kind="COMPLAINT", channel="PHONE",
                         occurredAt="2026-01-02T00:00:00Z")  # fmt: skip
        tell("acknowledged", "acknowledgeCase", id=self.case, channel="EMAIL", occurredAt="2026-01-03T00:00:00Z")
        tell("assigned", "assignCase", id=self.case, handler="bob", occurredAt="2026-01-04T00:00:00Z")
        tell("bought", "recordPurchase", customerId=self.ada, currency="EUR", occurredAt="2026-01-01T12:00:00Z",
             lines=[{"sku": "tea", "quantity": 1, "amountMinor": 500}])  # fmt: skip
        tell("voided", "voidEntry", position=self.at["assigned"], reason="the wrong case")
        tell("renamed", "changeCustomerProfile", id=self.ada, name="Ada Lovelace", occurredAt="2026-01-05T00:00:00Z")

    def _tell(self, step: str, mutation: str, **given: Any) -> str:
        payload = self.api.do(mutation, **given)
        assert payload["userErrors"] == []
        self.at[step] = payload["position"]
        made: str = payload["id"]
        return made

    def recorded_at(self, step: str) -> str:
        with psycopg.connect(self.api.url) as admin:
            row = admin.execute("SELECT recorded_at FROM ledger.entries WHERE position = %s", (self.at[step],))
            (found,) = row.fetchone() or ()
        assert isinstance(found, datetime)
        return found.isoformat()
