// Scatters: the architecture that is pointed at, or stepped to, is drawn beside; then all figures are started.

const SHARES = ["all", "best half", "best tenth"];
const BLUE = { color: "#0173b2", dark: "#56b4e9" };

/** Return the drawing of an architecture's cells, or its name where it has none. */
function cellDrawing(cells, place) {
  const found = make("div", { class: "cell" });
  for (const [title, number, nodes, edges] of cells?.cells[place] ?? []) {
    const layout = cells.layouts[number];
    const word = (index) => (index < 0 ? "" : cells.words[index]);
    const [width, height] = layout.size;
    const picture = make("svg:svg", { width, height, viewBox: `0 0 ${width} ${height}`, style: `min-width: ${Math.round(0.8 * width)}px`, role: "img", "aria-label": cellWords(nodes, edges, word, title) });
    layout.edges.forEach((path) => picture.append(make("svg:path", { d: path })));
    layout.labels.forEach((at, edge) => {
      if (at) picture.append(make("svg:text", { x: at[0], y: at[1] }, word(edges[edge])));
    });
    layout.nodes.forEach(([x, y, w, h], node) => picture.append(
      make("svg:rect", { x, y, width: w, height: h, rx: 4 }),
      make("svg:text", { x: x + w / 2, y: y + h / 2 }, word(nodes[node]))));
    if (title) found.append(make("p", {}, title));
    found.append(picture);
  }
  return found;
}

function cellWords(nodes, edges, word, title) {
  const labels = edges.map(word).filter((each) => each);
  const said = labels.length ? labels : nodes.map(word);
  return `${title || "Cell"}: ${said.join(", ") || "no operation"}`;
}

function startScatter(root, data) {
  const [chart, reading] = [root.querySelector(".chart"), root.querySelector(".reading")];
  const about = root.querySelector("figcaption").textContent;
  const share = make("select", { id: `${root.id}-share`, autocomplete: "off" });
  SHARES.forEach((text, place) => share.append(make("option", { value: place }, text)));
  let filters = root.querySelector(".filters");
  if (!filters) {
    filters = make("div", { class: "filters" });
    root.querySelector(".drawing").before(filters);
  }
  filters.append(make("div", { class: "filter" }, make("label", { for: share.id }, "Within"), share));
  let drawn = null;
  let round = 0;

  const redraw = async (values) => {
    const view = data.views.find((each) => matches(each.keys, values));
    const mine = ++round;
    drawn?.view.finalize();
    drawn = null;
    const x = data.values.x[view.of[0]];
    const y = data.values.y[view.of[1]];
    const sign = view.lower ? -1 : 1;
    const least = Number(share.value) ? sign * view.least[Number(share.value) - 1] : -Infinity;
    const points = x.map((at, place) => ({ place, x: at, y: y[place] }))
      .filter((point) => point.x !== null && point.y !== null && sign * point.y >= least)
      .sort((a, b) => sign * (b.y - a.y));
    const reader = scatterReader(data, view, points);
    reading.replaceChildren(reader.element);
    const color = darkness.matches ? BLUE.dark : BLUE.color;
    const many = points.length > 300;
    const encoding = { x: positioned(view.x, "x", { grid: true }), y: positioned(view.y, "y") };
    const made = await draw(chart, {
      height: 380, description: about,
      layer: [
        { data: { values: points }, mark: { type: "circle", size: many ? 22 : 45, opacity: many ? 0.45 : 0.7, color, aria: false }, encoding },
        { data: { name: "here", values: points.slice(0, 1) }, mark: { type: "point", size: 160, strokeWidth: 2.5, color: darkness.matches ? "#ffd166" : "#d55e00", aria: false }, encoding },
      ],
    });
    if (mine !== round) return;
    drawn = { view: made, points, reader };
    reader.moved = (point) => made.data("here", [point]).runAsync();
    if (points.length) reader.show(0);
  };
  const again = redrawn(root, redraw);
  share.addEventListener("change", again);

  const follow = (event) => {
    if (!drawn) return;
    const [x, y] = pointed(drawn.view, chart, event);
    const [across, up] = [drawn.view.scale("x"), drawn.view.scale("y")];
    let [nearest, least] = [-1, 20 ** 2];
    drawn.points.forEach((point, place) => {
      const away = (across(point.x) - x) ** 2 + (up(point.y) - y) ** 2;
      if (away < least) [nearest, least] = [place, away];
    });
    if (nearest >= 0) drawn.reader.show(nearest);
  };
  chart.addEventListener("pointermove", follow);
  chart.addEventListener("pointerdown", follow);
  const numbers = root.querySelector(".numbers");
  const fill = () => numbers.open && fillNumbers(numbers, data, chosen(root));
  numbers.addEventListener("toggle", fill);
  for (const select of root.querySelectorAll("select[data-filter]")) select.addEventListener("change", fill);
  return again();
}

/** Return what says which architecture is shown, and steps through them from the best on. */
function scatterReader(data, view, points) {
  const place = make("p", { class: "at", role: "status", "aria-live": "polite" });
  const slider = make("input", { type: "range", class: "slider", min: 0, max: Math.max(0, points.length - 1), step: 1, "aria-label": "Architecture, by its true accuracy from the best on" });
  const drawing = make("div");
  const facts = make("dl");
  const element = make("div", {}, place, slider, drawing, facts);
  const reader = {
    element,
    moved: () => {},
    show(number) {
      const point = points[number];
      slider.value = number;
      const text = `${number + 1} of ${points.length.toLocaleString("en")}, by true accuracy`;
      place.textContent = text;
      slider.setAttribute("aria-valuetext", `${text}: ${data.names[point.place]}`);
      drawing.replaceChildren(cellDrawing(data.cells, point.place));
      facts.replaceChildren(...[
        ["architecture", data.names[point.place]], [view.x.title, whole(point.x)], [view.y.title, whole(point.y)],
      ].map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
      reader.moved(point);
    },
  };
  if (!points.length) place.textContent = "There are no such points.";
  slider.addEventListener("input", () => points.length && reader.show(Number(slider.value)));
  if (data.of > data.names.length) {
    element.append(make("p", { class: "status" }, `Drawn: ${data.names.length.toLocaleString("en")} of ${data.of.toLocaleString("en")} architectures, the best 500, and the others at even distances in rank.`));
  }
  return reader;
}

/** Write the points of a scatter as a table, when somebody asks for it. */
function fillNumbers(numbers, data, values) {
  const view = data.views.find((each) => matches(each.keys, values));
  const [x, y] = [data.values.x[view.of[0]], data.values.y[view.of[1]]];
  const order = data.names.map((_, place) => place).filter((place) => x[place] !== null && y[place] !== null);
  order.sort((a, b) => y[b] - y[a]);
  const head = ["architecture", view.x.title, view.y.title];
  const table = make("table", {}, make("caption", {}, "The architectures that are drawn, best first."),
    make("thead", {}, make("tr", {}, ...head.map((title, place) => make("th", { scope: "col", class: place > 0 && "number" }, title)))),
    make("tbody", {}, ...order.map((place) => make("tr", {}, make("td", {}, data.names[place]),
      make("td", { class: "number" }, whole(x[place])), make("td", { class: "number" }, whole(y[place]))))));
  numbers.querySelector(".scroll")?.remove();
  numbers.append(make("div", { class: "scroll", role: "region", "aria-label": "Numbers of the figure", tabindex: 0 }, table));
}

// -- the start ---------------------------------------------------------------------------------

const START = { lines: startLines, scatter: startScatter };
const started = [...document.querySelectorAll("[data-figure]")].map((root) => {
  const data = figures[Number(root.dataset.figure)];
  return START[data.kind](root, data);
});
Promise.all(started).then(() => document.documentElement.setAttribute("data-ready", ""));
