"""What must outlive a request: thought signatures."""

from adapter.store.base import SignatureStore, StoreLimits, StoreUnusable
from adapter.store.factory import default_path, open_store

__all__ = ["SignatureStore", "StoreLimits", "StoreUnusable", "default_path", "open_store"]
