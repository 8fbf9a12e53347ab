"""What several tests of this folder stand on."""

from tests.support.google_cloud import credentials, tokens

__all__ = ["credentials", "tokens"]
