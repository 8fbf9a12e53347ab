"""How much the adapter costs, beside other gateways and beside none; see README.md."""
