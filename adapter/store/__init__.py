"""Stores of data that outlives a request: thought signatures, stored responses, conversations."""

from adapter.store.documents.base import Changed, Document, DocumentLimits, DocumentStore
from adapter.store.factory import FILE_RECORDS, default_path, open_documents, open_files, open_store, shared_store_fault
from adapter.store.shared.base import UNREADABLE, SignatureStore, StoreLimits, StoreUnusable

__all__ = [
    "FILE_RECORDS",
    "UNREADABLE",
    "Changed",
    "Document",
    "DocumentLimits",
    "DocumentStore",
    "SignatureStore",
    "StoreLimits",
    "StoreUnusable",
    "default_path",
    "open_documents",
    "open_files",
    "open_store",
    "shared_store_fault",
]
