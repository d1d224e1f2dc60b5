"""How people reach the ledger: GraphQL, the command line, and who may do what."""
