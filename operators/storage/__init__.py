"""Where objects are read from and written to: one protocol, one file a backend."""

from operators.storage.base import ObjectInfo, PutResult, Store
from operators.storage.registry import Stores, open_store

__all__ = ["ObjectInfo", "PutResult", "Store", "Stores", "open_store"]
