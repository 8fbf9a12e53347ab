"""Rules, notes and the ledger, and what rules are given: the context, models, the table of errors."""
