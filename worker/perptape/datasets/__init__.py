"""The datasets by name. Pure."""

from perptape.datasets.base import Dataset
from perptape.datasets.funding import FUNDING
from perptape.datasets.funding_prediction import FUNDING_PREDICTION
from perptape.datasets.liquidations import LIQUIDATIONS
from perptape.datasets.open_interest import OPEN_INTEREST

DATASETS: dict[str, Dataset] = {one.name: one for one in (OPEN_INTEREST, FUNDING, FUNDING_PREDICTION, LIQUIDATIONS)}
"""Every dataset whose rows land in data files."""
