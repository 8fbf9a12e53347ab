"""What must outlive a request: thought signatures, stored responses and conversations."""

from adapter.store.base import SignatureStore, StoreLimits, StoreUnusable
from adapter.store.documents import Document, DocumentLimits, DocumentStore
from adapter.store.factory import default_path, open_documents, open_store

__all__ = [
    "Document",
    "DocumentLimits",
    "DocumentStore",
    "SignatureStore",
    "StoreLimits",
    "StoreUnusable",
    "default_path",
    "open_documents",
    "open_store",
]
