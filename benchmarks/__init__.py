"""The cost of the adapter, compared with other gateways and with none; see README.md."""
