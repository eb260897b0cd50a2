"""What `mkdocs.yml` needs beyond its plugins: a hook of MkDocs and an extension of griffe, which reads docstrings."""

import logging
import re
from pathlib import Path
from typing import Any

from griffe import Extension, Object

OUTSIDE = re.compile(r"\[([^]]+)\]\(((?:\.\./)+[^)#]+)\)")  # link to a file of the repository, perhaps not of docs/


class Examples(Extension):
    """Show the examples of docstrings as code: what follows `>>>` becomes a section of its own."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of an object that griffe has read."""
        if obj.docstring:
            before, mark, examples = f"\n{obj.docstring.value}".partition("\n>>> ")
            if mark:
                indented = "\n".join(f"    {line}" for line in f">>> {examples}".splitlines())
                obj.docstring.value = f"{before.strip()}\n\nExamples:\n{indented}"


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Return a page in which links to files outside docs/ are plain text; warn if the file is lost."""
    root = Path(config["docs_dir"])

    def shown(found: re.Match) -> str:
        path = (root / page.file.src_uri).parent.joinpath(found[2]).resolve()
        if path.is_relative_to(root):
            return found[0]
        if not path.exists():
            logging.getLogger("mkdocs").warning("%s: %s is not there", page.file.src_uri, found[2])
        return found[1]

    return OUTSIDE.sub(shown, markdown)
