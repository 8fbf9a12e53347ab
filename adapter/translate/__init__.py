"""Pure functions between the two vocabularies: nothing here awaits, and the world comes in as values."""
