"""The pages about papers (docs/findings*.md, docs/claims.md) and the README's block: `python -m papers` writes them."""
