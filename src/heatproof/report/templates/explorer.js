// The reader's choices: a chart of single images, a panel with the heatmaps of one of them, a gallery of cases.
const by = (name) => document.getElementById(`look-${name}`);
const [section, chart] = [document.getElementById("look"), by("chart")];
const PAGE = matchMedia("(max-width: 34rem)").matches ? 6 : 12; // cases shown at once
const state = { image: 0, held: false, shown: PAGE, view: null };
const models = data.models.map((_, place) => place);
const trusted = data.competent.some(Boolean) ? models.filter((place) => data.competent[place]) : models;

const chosen = () => ({
  metric: by("metric").value,
  method: by("method").value,
  model: by("model").value === "" ? null : Number(by("model").value),
});
const score = (metric, method, model, image) => data.scores[metric][method][model][0][image];
const reason = (metric, method, model, image) => {
  const why = data.scores[metric][method][model][1];
  return why < 0 ? "" : data.reasons[data.whys[why][image]];
};
const wrong = (model, image) => {
  const found = data.images.predicted[model][image];
  return found >= 0 && found !== data.images.label[image] ? data.classes[found] : "";
};
const label = (image) => data.classes[data.images.label[image]];
const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);
const known = (image, among) => {
  const { metric, method } = chosen();
  return among.map((model) => score(metric, method, model, image)).filter((value) => value !== null);
};
const ranked = (image) => mean(known(image, chosen().model === null ? trusted : [chosen().model]));
const apart = (image) => {
  const values = known(image, trusted);
  return values.length > 1 ? Math.max(...values) - Math.min(...values) : null;
};
const lower = () => data.metrics[chosen().metric].better === "lower";

const heated = (image, model, method, title, more = []) => {
  const { metric } = chosen();
  const value = score(metric, method, model, image);
  const why = reason(metric, method, model, image);
  const tile = data.methods.indexOf(method) * data.models.length + model;
  const gone = data.pictures[image].missing[tile];
  const text = value !== null ? written(value) : gone ? `no heatmap: ${gone}` : `no score: ${why}`;
  return cell(image, title, tile, [text, ...more]);
};
const taken = (model, image) => (wrong(model, image) ? `misclassified as ${wrong(model, image)}` : "");
const all = (image, method, told) => models.map((m) => heated(image, m, method, data.models[m], told(m)));

const group = (image) => (data.group ? `, ${data.group} ${data.images.group[image]}` : "");
const decisions = (image, among) => {
  const bad = among.filter((model) => wrong(model, image));
  if (!bad.length) return among.length > 1 ? "Every model classifies it correctly." : `${data.models[among[0]]} classifies it correctly.`;
  const mistakes = [...new Set(bad.map((model) => wrong(model, image)))].map((name) => {
    const names = bad.filter((model) => wrong(model, image) === name).map((model) => data.models[model]);
    return `as ${name} by ${names.join(", ")}`;
  });
  return `Misclassified ${mistakes.join("; ")}.`;
};

const panel = () => {
  const { metric, method, model } = chosen();
  const image = state.image;
  by("image").value = String(image);
  const value = ranked(image);
  const named = data.metrics[metric].name;
  const told = value === null ? "No score" : `${model === null && models.length > 1 ? "Mean score" : "Score"} ${written(value)}`;
  by("told").textContent =
    `${data.images.id[image]}${group(image)}. True class: ${label(image)}. ${told} (${named}, ${data.named[method]}). ` +
    decisions(image, model === null ? models : [model]);
  if (data.pictures[image] === undefined) {
    by("cells").replaceChildren(make("p", "quiet", "This page does not contain the pictures of this image."));
  } else {
    const maps = model === null ? all(image, method, (m) => [taken(m, image)]) : data.methods.map((name) => heated(image, model, name, data.named[name]));
    by("cells").replaceChildren(cell(image, "Image", null, [label(image)]), ...maps);
  }
  state.view?.signal("picked", image).runAsync();
  for (const card of by("cards").children) card.classList.toggle("now", Number(card.dataset.image) === image);
};

// The chart.
const points = () => {
  const { metric, method } = chosen();
  return models.flatMap((model) =>
    data.images.id.map((name, i) => {
      const value = score(metric, method, model, i);
      return {
        i, place: model, image: name, model: data.models[model], score: value, told: written(value),
        class: label(i), predicted: data.classes[data.images.predicted[model][i]] ?? "not known",
        decision: wrong(model, i) ? "wrong prediction" : "right prediction",
        offset: 2 * ((i * 0.618034) % 1) - 1, // spread evenly, and the same each time
      };
    }),
  );
};
const means = () => {
  const { metric, method } = chosen();
  return models.map((model) => {
    const [middle, low, high] = data.means[metric][method][model];
    const name = `${data.models[model]}${data.competent[model] ? "" : " (no verdict)"}`;
    return { model: data.models[model], mean: middle, low, high, name, told: written(middle), offset: 0, top: -1.7 };
  });
};
const missing = () => {
  const { metric, method } = chosen();
  const told = models.flatMap((model) => data.images.id.map((_, i) => reason(metric, method, model, i))).filter(Boolean);
  const counts = [...new Set(told)].map((why) => `${told.filter((one) => one === why).length}: ${why}`);
  return counts.length ? `No score for ${told.length} of ${models.length * data.images.id.length} dots (${counts.join("; ")}).` : "";
};
const draw = async () => {
  const { metric, method } = chosen();
  const found = data.metrics[metric];
  by("title").textContent = `${found.name} of ${data.named[method]} by image`;
  by("caption").textContent =
    `${found.asks} ${found.direction[0].toUpperCase()}${found.direction.slice(1)}. Tick and line: mean and interval of ` +
    `all training runs, as in the tables. ${missing()}`;
  await state.view.data("points", points()).data("means", means()).runAsync();
};
const list = () => {
  const worse = (image) => (ranked(image) === null ? Infinity : (lower() ? -1 : 1) * ranked(image));
  const order = data.images.id.map((_, i) => i).sort((a, b) => worse(a) - worse(b) || a - b);
  by("image").replaceChildren(
    ...order.map((i) => {
      const option = make("option", "", `${data.images.id[i]} (${ranked(i) === null ? "no score" : written(ranked(i))})`);
      option.value = String(i);
      return option;
    }),
  );
};

// The gallery.
const cases = () => {
  const [order, kind] = [by("order").value, by("class").value];
  const { model } = chosen();
  const mistaken = (i) => (model === null ? models : [model]).filter((place) => wrong(place, i)).length;
  const sign = lower() ? -1 : 1;
  const keys = {
    worst: (i) => (ranked(i) === null ? null : sign * ranked(i)),
    best: (i) => (ranked(i) === null ? null : -sign * ranked(i)),
    wrong: (i) => (mistaken(i) ? -mistaken(i) : null),
    apart: (i) => (apart(i) === null ? null : -apart(i)),
  };
  return Object.keys(data.pictures)
    .map(Number)
    .filter((i) => (kind === "" || data.images.label[i] === Number(kind)) && keys[order](i) !== null)
    .sort((a, b) => keys[order](a) - keys[order](b) || a - b);
};
const card = (image) => {
  const { method, model } = chosen();
  const node = make("article", "case");
  node.dataset.image = image;
  const head = make("h4");
  const name = make("button", "pick", data.images.id[image]);
  name.type = "button";
  name.addEventListener("click", () => pick(image, true));
  head.append(name, ` ${label(image)}`);
  const value = ranked(image);
  const numbers = [value === null ? "no score" : `${model === null && trusted.length > 1 ? "mean score" : "score"} ${written(value)}`];
  if (by("order").value === "apart") numbers.push(`models ${written(apart(image))} apart`);
  const text = `${numbers.join(", ")}${group(image)}. ${decisions(image, model === null ? models : [model])}`;
  const cells = make("div", "cells");
  const maps = model === null ? all(image, method, () => []) : [heated(image, model, method, data.models[model])];
  cells.append(cell(image, "Image", null, []), ...maps);
  node.append(head, make("p", "quiet", text[0].toUpperCase() + text.slice(1)), cells);
  return node;
};
const gallery = () => {
  const found = cases();
  const shown = found.slice(0, state.shown);
  by("cards").replaceChildren(...shown.map(card));
  by("cards").classList.toggle("single", chosen().model !== null);
  const { metric, method } = chosen();
  by("count").textContent = found.length
    ? `${shown.length} of ${found.length} cases: ${by("order").selectedOptions[0].text}, by ${data.metrics[metric].name} of ${data.named[method]} (${data.metrics[metric].direction}).`
    : "No image matches.";
  by("more").hidden = shown.length === found.length;
  for (const node of by("cards").children) node.classList.toggle("now", Number(node.dataset.image) === state.image);
};

const pick = (image, scroll = false) => {
  state.image = image;
  panel();
  if (!scroll) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  by("panel").scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
};
const refresh = async () => {
  state.shown = PAGE;
  list();
  gallery();
  panel();
  await draw();
};
const listen = () => {
  for (const name of ["metric", "method", "model"]) by(name).addEventListener("change", refresh);
  for (const name of ["order", "class"]) {
    by(name).addEventListener("change", () => {
      state.shown = PAGE;
      gallery();
    });
  }
  by("image").addEventListener("change", () => pick(Number(by("image").value)));
  by("heat").addEventListener("input", () => {
    section.style.setProperty("--heat", by("heat").value / 100);
    by("heat").setAttribute("aria-valuetext", `${by("heat").value}%`);
  });
  by("outline")?.addEventListener("change", () => section.classList.toggle("bare", !by("outline").checked));
  by("more").addEventListener("click", () => {
    const before = state.shown;
    state.shown += PAGE;
    gallery();
    by("cards").children[before]?.querySelector("button").focus();
  });
  by("cards").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const buttons = [...by("cards").querySelectorAll("button.pick")];
    const here = buttons.indexOf(event.target);
    if (!step || here < 0) return;
    event.preventDefault();
    buttons[here + step]?.focus();
  });
  state.view.addEventListener("mouseover", (_, item) => {
    if (!state.held && item?.datum?.i !== undefined) pick(item.datum.i);
  });
  state.view.addEventListener("click", (_, item) => {
    state.held = item?.datum?.i !== undefined;
    if (state.held) pick(item.datum.i);
  });
};

const start = async () => {
  const plain = document.getElementById("gallery-static");
  section.hidden = false;
  data.spec.datasets = { points: points(), means: means() };
  const options = { mode: "vega-lite", renderer: "svg", actions: false, tooltip: { theme: "page" } };
  options.ast = true; // expressions are interpreted: the page forbids itself to evaluate text as code
  options.logLevel = 1; // errors alone; that no dot is picked yet is worth no warning
  try {
    state.view = (await vegaEmbed(chart, data.spec, options)).view;
  } catch (error) {
    section.hidden = true; // the page is then as it is without scripts
    throw error;
  }
  if (plain) plain.hidden = true;
  listen();
  state.image = cases()[0] ?? Number(Object.keys(data.pictures)[0]);
  await refresh();
  section.dataset.ready = "yes";
};
start();
