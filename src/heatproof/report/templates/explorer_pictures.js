// What the page carries, and pictures made of it. Names come from the data, so they are set as text, never as HTML.
const data = JSON.parse(document.getElementById("look-data").textContent);

const make = (tag, name, text) => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
};
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));
const written = (value) => {
  if (value === null) return "–";
  const size = Math.abs(value);
  const digits = size >= 0.1 || size < 1e-12 ? 2 : size >= 0.01 ? 3 : Math.min(6, 2 - Math.floor(Math.log10(size)));
  return value.toFixed(digits).replace("-", "−");
};

// Pictures: an image, the heat of one tile of its sprite over it, the outline of its true region on top.
const cell = (image, title, tile, lines) => {
  const carried = data.pictures[image];
  const figure = make("figure");
  const missing = tile === null ? undefined : carried.missing[tile];
  if (missing !== undefined) {
    figure.append(make("div", "none", "no heatmap"));
  } else {
    const box = make("div", "layers");
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", tile === null ? `Image ${data.images.id[image]}` : `Heatmap of ${title} on image ${data.images.id[image]}`);
    const photo = make("img");
    photo.src = carried.image;
    photo.alt = "";
    box.append(photo);
    if (tile !== null) box.append(heat(carried, tile));
    if (carried.outline) box.append(outline(carried.outline));
    figure.append(box);
  }
  const caption = make("figcaption");
  caption.append(make("b"));
  caption.firstChild.append(...breakable(title));
  for (const line of lines.filter(Boolean)) caption.append(make("br"), line);
  figure.append(caption);
  return figure;
};
const heat = (carried, tile) => {
  const { side, edge } = data.tile;
  const [columns, rows, step] = [data.models.length, data.methods.length, side + 2 * edge];
  const [column, row] = [tile % columns, Math.floor(tile / columns)];
  const node = make("div", "heat");
  node.style.backgroundImage = `url(${carried.sprite})`;
  node.style.backgroundSize = `${(100 * columns * step) / side}% ${(100 * rows * step) / side}%`;
  const at = (place, count) => (100 * (place * step + edge)) / (count * step - side);
  node.style.backgroundPosition = `${at(column, columns)}% ${at(row, rows)}%`;
  return node;
};
const outline = (path) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("class", "outline");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
};
