"""The page that `dvc plots` fills, `.dvc/plots.html`, with the charting library in it: DVC's own is on the network.

`python -m heatproof.plots_page` writes it again, where the lock brings another version of that library.
"""

from pathlib import Path

PATH = Path(".dvc/plots.html")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh_tag}
<title>heatproof: plots</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1.25rem; color: #1b1d1f; }
body > div { border: 0 !important; text-align: left !important; white-space: normal !important; margin-bottom: 2.5rem; }
body > div div { border: 0 !important; vertical-align: top; }
img { max-width: 100%; width: 26rem; }
p { margin: 0 0 .4rem; color: #5a6066; }
</style>
<!-- Vega, Vega-Lite and Vega-Embed (BSD 3-Clause, University of Washington Interactive Data Lab), as vl-convert bundles
them. Written by python -m heatproof.plots_page. -->
<script>
LIBRARY
</script>
</head>
<body>
<h1>heatproof: plots</h1>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """The template, with DVC's placeholders but the one for scripts, which would be links."""
    import vl_convert

    library = vl_convert.javascript_bundle()
    for reserved in ("</script", "{scripts}", "{plot_divs}", "{refresh_tag}"):
        if reserved in library:
            raise ValueError(f"the library holds {reserved}, which DVC or the browser would take for its own")
    return _PAGE.replace("LIBRARY", library)


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
    print(PATH)
