"""What a client may refer to later: stored responses, conversations, files; and new ids for all that."""
