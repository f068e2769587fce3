// Figures of curves: what a pointer or the slider stands at is read out in the table beside, which is the legend.

/** Return the point of a curve at x: the last one before it, or the nearest where it has no steps. */
function valueAt(series, x, step) {
  let found = -1;
  series.x.forEach((at, place) => {
    if (at <= x || (!step && found < 0)) found = place;
  });
  return found;
}

function swatch(look, dark) {
  const color = dark ? look.dark : look.color;
  return make("svg:svg", { class: "swatch", width: 34, height: 14, viewBox: "0 0 34 14", "aria-hidden": "true" },
    make("svg:line", { x1: 1, x2: 33, y1: 7, y2: 7, stroke: color, "stroke-width": 2, "stroke-dasharray": look.dash.join(" ") }),
    make("svg:path", { d: look.shape, fill: color, transform: "translate(17 7) scale(5)" }));
}

/** Return the rows that Vega-Lite draws: every point of the curves that are not hidden. */
function linePoints(view, hidden, dark) {
  let look = null;
  const rows = [];
  view.series.forEach((series, number) => {
    look = series.look ?? look;
    const thin = series.look === null;
    if (hidden.has(thin ? "" : series.label)) return;
    // few markers on each curve, at other places than those of the others
    const gap = Math.max(1, Math.floor(series.x.length / 4));
    const first = series.x.length > 12 ? Math.floor((gap * (number % 5)) / 5) : 0;
    // where a curve with a band has no interval, the band has no width: it is not drawn across the gap
    const banded = !thin && series.low.some((low) => low !== null);
    series.x.forEach((x, place) => rows.push({
      x, y: series.mean[place], low: series.low[place] ?? series.mean[place],
      high: series.high[place] ?? series.mean[place], series: number, thin, banded,
      color: dark ? look.dark : look.color, dash: thin ? [] : look.dash, shape: look.shape,
      marked: !thin && (series.x.length <= 12 || (place - first) % gap === 0),
    }));
  });
  return rows.filter((row) => row.y !== null && inside(view, row));
}

/** Return whether a logarithmic axis can show a row; and keep its band inside the domain. */
function inside(view, row) {
  if (view.x.scale === "log" && row.x <= 0) return false;
  if (view.y.scale === "log" && row.y <= 0) return false;
  if (view.y.domain && row.banded) {
    row.low = Math.min(Math.max(row.low, view.y.domain[0]), view.y.domain[1]);
    row.high = Math.max(Math.min(row.high, view.y.domain[1]), view.y.domain[0]);
  }
  return true;
}

function lineSpecification(view, rows, at, about) {
  const interpolate = view.step ? "step-after" : "linear";
  const own = { color: { field: "color", type: "nominal", scale: null }, detail: { field: "series", type: "nominal" } };
  const x = positioned(view.x, "x");
  const y = positioned(view.y, "y");
  const bands = {
    transform: [{ filter: "datum.banded" }],
    mark: { type: "area", interpolate, opacity: 0.16, aria: false, clip: true },
    encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, ...own },
  };
  const layers = [
    ...(rows.some((row) => row.banded) ? [bands] : []),
    {
      mark: { type: "line", interpolate, aria: false, clip: true },
      encoding: {
        x, y, ...own,
        strokeDash: { field: "dash", type: "nominal", scale: null },
        strokeWidth: { condition: { test: "datum.thin", value: 0.8 }, value: 2 },
        opacity: { condition: { test: "datum.thin", value: 0.6 }, value: 1 },
      },
    },
    {
      transform: [{ filter: "datum.marked" }],
      mark: { type: "point", filled: true, size: 70, opacity: 1, aria: false },
      encoding: { x, y, ...own, shape: { field: "shape", type: "nominal", scale: null } },
    },
    {
      data: { values: [{}] },
      mark: { type: "rule", aria: false, clip: true, color: "#808890", strokeDash: [3, 3] },
      encoding: { x: { datum: { expr: "at" }, type: "quantitative" } },
    },
  ];
  if (view.level) {
    const level = { type: "quantitative", field: "value" };
    const band = { mark: { type: "rect", color: "#808890", opacity: 0.2, aria: false, clip: true },
      encoding: { y: { ...level, field: "low" }, y2: { field: "high" } } };
    const line = { mark: { type: "rule", color: "#808890", strokeDash: [2, 3], strokeWidth: 2, aria: false, clip: true },
      encoding: { y: level } };
    for (const each of view.level.low === null ? [line] : [band, line]) {
      layers.unshift({ data: { values: [view.level] }, ...each });
    }
  }
  return {
    height: 320, description: about, params: [{ name: "at", value: at }], data: { values: rows }, layer: layers,
  };
}

function startLines(root, data) {
  const [chart, reading] = [root.querySelector(".chart"), root.querySelector(".reading")];
  const about = root.querySelector("figcaption").textContent;
  const hidden = new Set();
  let drawn = null;
  let round = 0;

  const redraw = async (values) => {
    const view = data.views.find((each) => matches(each.keys, values));
    const mine = ++round;
    drawn?.view.finalize();
    drawn = null;
    if (!view || !view.series.length) {
      chart.replaceChildren(make("p", { class: "note" }, "There are no such figures."));
      reading.replaceChildren();
      return;
    }
    const places = [...new Set(view.series.flatMap((series) => series.x))].sort((a, b) => a - b);
    const legend = lineLegend(view, places, hidden, () => again());
    reading.replaceChildren(legend.element);
    const at = places[places.length - 1];
    const rows = linePoints(view, hidden, darkness.matches);
    const made = await draw(chart, lineSpecification(view, rows, at, about));
    if (mine !== round) return;
    drawn = { view: made, places, legend };
    legend.moved = (x) => made.signal("at", x).runAsync();
    legend.show(places.length - 1);
  };
  const again = redrawn(root, redraw);

  const follow = (event) => {
    if (!drawn) return;
    const [x] = pointed(drawn.view, chart, event);
    const wanted = drawn.view.scale("x").invert(x);
    if (!Number.isFinite(wanted)) return;
    let nearest = 0;
    drawn.places.forEach((at, place) => {
      if (Math.abs(at - wanted) < Math.abs(drawn.places[nearest] - wanted)) nearest = place;
    });
    drawn.legend.show(nearest);
  };
  chart.addEventListener("pointermove", follow);
  chart.addEventListener("pointerdown", follow);
  return again();
}

/** Return the legend of a view: a slider over its positions, and a row a curve with its value there. */
function lineLegend(view, places, hidden, again) {
  const where = make("p", { class: "at" });
  const slider = make("input", { type: "range", class: "slider", min: 0, max: places.length - 1, step: 1, "aria-label": `Position: ${view.x.title}` });
  const intervals = view.series.some((series) => series.look && series.low.some((low) => low !== null));
  const counted = view.series.some((series) => series.n);
  const body = make("tbody");
  const cells = [];
  for (const series of view.series) {
    if (!series.look) continue;
    const box = make("input", { type: "checkbox", "aria-label": `Draw ${series.label}` });
    box.checked = !hidden.has(series.label);
    box.addEventListener("change", async () => {
      hidden[box.checked ? "delete" : "add"](series.label);
      const place = Number(slider.value);
      const label = series.label;
      const figure = body.closest("figure");
      await again();
      const next = figure.querySelector(".slider");
      next.value = place;
      next.dispatchEvent(new Event("input"));
      [...figure.querySelectorAll("input[type=checkbox]")].find((each) => each.ariaLabel === `Draw ${label}`)?.focus();
    });
    const value = make("td", { class: "number" });
    cells.push([series, value]);
    body.append(make("tr", {},
      make("th", { scope: "row" }, make("label", {}, box, swatch(series.look, darkness.matches), make("span", {}, series.label))),
      value, ...(counted ? [make("td", { class: "count" }, series.n)] : [])));
  }
  if (view.level) {
    const { label, value, low, high } = view.level;
    const found = make("td", { class: "number" }, short(value));
    if (low !== null) found.append(" ", make("span", { class: "interval" }, `[${short(low)}, ${short(high)}]`));
    body.append(make("tr", {}, make("th", { scope: "row" }, label), found, ...(counted ? [make("td")] : [])));
  }
  const mean = intervals ? "mean [interval]" : "value";
  const head = make("thead", {}, make("tr", {},
    ...["curve", mean, ...(counted ? ["n"] : [])].map((title, place) => make("th", { scope: "col", class: place === 1 && "number" }, title))));
  const element = make("div", {}, where, slider, make("table", {}, head, body));
  const legend = {
    element,
    moved: () => {},
    show(place) {
      const x = places[place];
      slider.value = place;
      slider.setAttribute("aria-valuetext", `${view.x.title} ${whole(x)}`);
      where.textContent = `${view.x.title}: ${whole(x)}`;
      for (const [series, cell] of cells) {
        const found = valueAt(series, x, view.step);
        const [value, low, high] = found < 0 ? [] : [series.mean[found], series.low[found], series.high[found]];
        cell.replaceChildren(short(value));
        if (low !== null && low !== undefined) {
          cell.append(" ", make("span", { class: "interval" }, `[${short(low)}, ${short(high)}]`));
        }
      }
      legend.moved(x);
    },
  };
  slider.addEventListener("input", () => legend.show(Number(slider.value)));
  return legend;
}
