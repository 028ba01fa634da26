"""Widgets: an assistant on a customer's site, for whoever that site says is asking."""
