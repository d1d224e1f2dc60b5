"""The first queries shown to a newcomer; ``CUSTOMER_ID`` and ``CASE_ID`` stand for ids of the ledger at hand."""
