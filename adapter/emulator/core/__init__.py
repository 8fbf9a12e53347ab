"""What all of the emulator knows: models, errors, the parsed conversation, signatures, tokens."""
