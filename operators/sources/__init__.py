"""Where items come from: listings of folders and prefixes."""

from operators.sources.listing import ListedItem, Listing, list_items

__all__ = ["ListedItem", "Listing", "list_items"]
