"""Stored responses, conversations and files, to which clients refer by id; and new ids."""
