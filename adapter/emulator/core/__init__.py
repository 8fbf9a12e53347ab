"""Parts that the whole emulator uses: models, errors, the parsed conversation, signatures, tokens."""
