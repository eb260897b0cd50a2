"""The name by which Snakemake finds the logger of heatproof: `snakemake --logger heatproof`."""

from heatproof.watching import LogHandler

__all__ = ["LogHandler"]
