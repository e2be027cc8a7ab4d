"""Documents: receipts, invoices, forms and tables whose every word is known."""

from triptych.data.worlds.documents.world import Documents

__all__ = ["Documents"]
