"""The pages about two papers, docs/findings*.md and the block of the README: `python -m papers` writes them."""
