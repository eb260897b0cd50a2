r"""Tables as LaTeX for a paper: booktabs, everything escaped, with a caption and a label to refer to."""

import re
from collections.abc import Sequence

from heatproof.report.tables import Table

LONG = 40  # rows from which a table runs over pages
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "†": r"\textdagger{}",
    "…": r"\dots{}",
    "→": r"$\rightarrow$",
}


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is; control characters become spaces. A long name may break after `_`."""
    text = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    text = "".join(_SPECIAL.get(letter, letter) for letter in text).replace(r"\_", r"\_\allowbreak{}")
    return f"{{{text[0]}}}{text[1:]}" if text.startswith(("[", "*")) else text  # after `\\` they would be its options


def table(data: Table, label: str, columns: str | None = None, breaks: Sequence[int] = (), source: str = "") -> str:
    r"""A table with its head.

    Args:
        data: caption, head and rows, as on the page.
        label: for `\ref{tab:label}`.
        columns: LaTeX's column types; all to the left by default.
        breaks: rows, counted from 0, above which a line is drawn.
        source: the file that has the numbers in full.
    """
    head = " & ".join(escape(cell) for cell in data.head) + r" \\"
    rows = []
    for i, row in enumerate(data.rows):
        rows += [r"\midrule"] if i in breaks else []
        rows.append(" & ".join(escape(cell) for cell in row) + r" \\")
    named = rf"\caption{{{escape(data.caption)}}}\label{{tab:{label}}}"
    columns = columns or "l" * len(data.head)
    long = len(data.rows) > LONG
    packages = [r"\usepackage{booktabs}", r"\usepackage{longtable}"] if long else [r"\usepackage{booktabs}"]
    lines = [f"% Needs {' and '.join(packages)}." + (f" The numbers in full: {source}" if source else "")]
    if long:
        lines += [r"{\footnotesize", rf"\begin{{longtable}}{{{columns}}}", rf"{named} \\", r"\toprule", head]
        lines += [r"\midrule", r"\endfirsthead", r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule"]
        lines += [r"\endlastfoot", *rows, r"\end{longtable}", "}"]
    else:
        lines += [r"\begin{table}", r"\centering\footnotesize", named, rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        lines += [head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"
