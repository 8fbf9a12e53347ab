"""The dry run, which makes no call: for `adapter translate`, POST /translate and the page."""
