"""What an answer costs: price lists of targets from a date on, exact to a nano-unit."""

from __future__ import annotations

from ondol.infrastructure.serving.prices.cost import Price, Quantities, at_percent, cost, dearest, worst_cost
from ondol.infrastructure.serving.prices.store import PriceDirectory, create_price, list_prices, remove_price

__all__ = [
    "Price", "PriceDirectory", "Quantities", "at_percent", "cost", "create_price", "dearest", "list_prices", "remove_price", "worst_cost",
]  # fmt: skip
