"""The only incoming network: OpenAI's endpoints over the translation, the upstream and the store."""
