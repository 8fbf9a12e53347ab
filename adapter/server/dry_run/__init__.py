"""What a request would become, without a call: `adapter translate`, POST /translate and the page show it."""
