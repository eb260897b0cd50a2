// Every table is sorted by a click on its head: up, down, and as it came. What has no number stays at the end.
(() => {
  "use strict";
  const number = (text) => {
    const found = text.replace(/−/g, "-").replace(/(\d),(?=\d{3})/g, "$1").match(/^(?:[<>≤≥\u2020]|p|=|over|under|\s)*([-+]?\d*\.?\d+(?:e[-+]?\d+)?)/i);
    return found ? Number(found[1]) : null;
  };
  const none = (text) => /^[–—-]?$/.test(text);

  const compare = (texts) => {
    const known = texts.filter((text) => !none(text));
    if (known.length && known.every((text) => number(text) !== null)) return (a, b) => number(a) - number(b);
    return (a, b) => a.localeCompare(b, "en", { numeric: true });
  };

  const sort = (body, column, direction) => {
    body.original ??= [...body.rows];
    const rows = body.original.map((row) => ({ row, text: (row.cells[column]?.textContent ?? "").trim() }));
    const order = compare(rows.map(({ text }) => text));
    if (direction) {
      rows.sort((a, b) => none(a.text) - none(b.text) || (none(a.text) ? 0 : direction * order(a.text, b.text)));
    }
    body.append(...rows.map(({ row }) => row));
  };

  for (const table of document.querySelectorAll("main table, header table")) {
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    if (!heads.length || Math.max(...[...table.tBodies].map((body) => body.rows.length)) < 2) continue;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const next = { ascending: "descending", descending: null }[now] ?? (now ? null : "ascending");
        for (const other of heads) other.removeAttribute("aria-sort");
        if (next) head.setAttribute("aria-sort", next);
        for (const body of table.tBodies) sort(body, column, { ascending: 1, descending: -1 }[next] ?? 0);
      });
    });
  }
})();
