"""Rules, notes and the ledger; the rules' input: the context, models, the table of errors."""
