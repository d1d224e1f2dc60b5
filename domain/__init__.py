"""What can happen to a customer, and the rules.

Pure Python: no I/O, no SQL, no wall clock. Each file holds one aggregate: its events (past-tense facts),
the commands that may record them, and the rules that refuse. Everything else — tables, GraphQL mutations,
import schemas, reference pages — is derived from these declarations.
"""
