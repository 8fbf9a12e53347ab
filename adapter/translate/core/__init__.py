"""How rules, notes and the ledger work, and what they are given: the context, models, the table of errors."""
