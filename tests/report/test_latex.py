"""Tables as LaTeX: what is printed is what was given, whatever it holds."""

import re
import shutil
import subprocess

import pytest

from heatproof.report.paper import files
from heatproof.report.tables import Table

TABLE = Table("Models & more", ["model", "p"], [["resnet_50", "< 0.001"], ["vit", "0.05"]])


def cells(text: str) -> list[list[str]]:
    """Rows as they stand between `&`, from a table without evil names."""
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    return [line.removesuffix(r" \\").split(" & ") for line in body.splitlines() if line.endswith(r"\\")]


def test_a_table_has_caption_label_head_and_rows():
    text = files.latex(TABLE, "mine", source="results/stats/mine/models.csv")
    assert text.startswith("% Needs \\usepackage{booktabs}. The numbers in full: results/stats/mine/models.csv\n")
    assert r"\caption{Models \& more}\label{tab:mine}" in text
    assert r"\begin{tabular}{ll}" in text and text.count(r"\midrule") == 1
    assert cells(text) == [["model", "p"], [r"resnet\_\allowbreak{}50", r"\textless{} 0.001"], ["vit", "0.05"]]


def test_lines_stand_above_the_rows_asked_for_and_long_tables_break():
    assert files.latex(TABLE, "t", breaks=[1]).count(r"\midrule") == 2
    long = Table("Long", ["a"], [[str(i)] for i in range(files.LONG + 1)])
    text = files.latex(long, "t")
    assert r"\begin{longtable}{l}" in text and r"\usepackage{longtable}" in text and r"\begin{tabular}" not in text
    assert re.findall(r"^(\d+) \\\\$", text, re.M) == [str(i) for i in range(files.LONG + 1)]
    assert r"\begin{tabular}" in files.latex(Table("Short", ["a"], long.rows[:-1]), "t")


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("a_b", r"a\_\allowbreak{}b"),
        ("100 % & $5 #1", r"100 \% \& \$5 \#1"),
        ("\\input{x}^~", r"\textbackslash{}input\{x\}\textasciicircum{}\textasciitilde{}"),
        ("−0.2 – <†", r"$-$0.2 -- \textless{}\textdagger{}"),
        ("two\nlines\x00", "two lines"),
        ("[0.1]", "{[}0.1]"),
        ("*", "{*}"),
        ("", ""),
    ],
)
def test_what_latex_would_take_for_a_command_is_escaped(given, printed):
    assert files.escape(given) == printed


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_takes_it(tmp_path):
    evil = Table("All %$#_{}~^\\ & <b>", ["a_b", "[c]"], [["*", "\\end{tabular}"], ["[x]", "−1 – 2†…→"]])
    document = r"\documentclass{article}\usepackage{booktabs}\usepackage{longtable}\begin{document}"
    long = Table("Long", ["a"], [[str(i)] for i in range(99)])
    (tmp_path / "t.tex").write_text(f"{document}\n{files.latex(evil, 'e')}{files.latex(long, 'l')}\\end{{document}}\n")
    done = subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
