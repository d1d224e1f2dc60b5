"""Many threads may use a ledger from its first moment on."""

import subprocess
import sys

FIRST_MOMENT = """
import sys, threading
from tests.conftest import MASTER_KEY
from ledger import database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.input import fact
from ledger.vault import Vault
from ledger.writer import Writer
from domain.case import Case
from domain.purchase import Purchase

GIVEN = [
    (Case.Opened, {"kind": "complaint", "channel": "phone", "interface": "sales", "product": "tea"}),
    (Purchase.Recorded, {"lines": [{"sku": "a", "quantity": 1, "amount_minor": 1}], "currency": "EUR"}),
    (Case.Resolved, {"resolution": "done", "note": "x"}),
]
sys.setswitchinterval(1e-6)
with database.pool(sys.argv[1], Duty.API, size=1) as pool:
    ledger = Ledger(pool, Writer(sys.argv[1]), Vault(pool, MASTER_KEY, "test-1"))
    start = threading.Barrier(8)

    def meet():
        for kind, given in GIVEN:
            start.wait()
            fact(kind, given)

    threads = [threading.Thread(target=meet) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
"""


def test_types_that_threads_meet_at_once_are_known_before(module_url: str) -> None:
    """A process in which two threads first met a type at the same moment died of a segmentation fault."""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", FIRST_MOMENT, module_url], capture_output=True, text=True)

        assert (done.returncode, done.stderr) == (0, "")
