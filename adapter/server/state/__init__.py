"""What a client may refer to later: stored responses, conversations, background responses."""
