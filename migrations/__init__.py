"""How the database gets its shape: numbered SQL files, forward only; ``ledger.migrate`` applies them."""
