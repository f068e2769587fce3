// Tables that are sorted by their headings and filtered by <select>; and what all figures share.

const collator = new Intl.Collator("en", { numeric: true });

/** Return the values that the reader has chosen in the filters inside `root`, by their places. */
function chosen(root) {
  return [...root.querySelectorAll("select[data-filter]")].map((select) => select.value);
}

/** Return whether keys are what was chosen; an empty choice leaves everything in. */
function matches(keys, values) {
  return values.every((value, place) => value === "" || keys[place] === value);
}

/** Compare two cells; those without a value come last whichever way the column is sorted. */
function compare(one, other, direction) {
  const [a, b] = [one.dataset.sort, other.dataset.sort];
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
  const numbers = one.classList.contains("number");
  return direction * (numbers ? Number(a) - Number(b) : collator.compare(a, b));
}

function sortTable(root, heading) {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  const place = [...heading.parentNode.children].indexOf(heading);
  for (const other of heading.parentNode.children) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = root.querySelector("tbody");
  const rows = [...body.rows];
  rows.sort((a, b) => compare(a.cells[place], b.cells[place], ascending ? 1 : -1));
  body.append(...rows);
  say(root, `Sorted by ${heading.innerText.trim()}, ${ascending ? "ascending" : "descending"}.`);
}

function filterTable(root, values) {
  let shown = 0;
  for (const row of root.querySelectorAll("tbody tr")) {
    row.hidden = !matches(JSON.parse(row.dataset.keys), values);
    shown += !row.hidden;
  }
  say(root, `${shown} rows.`);
}

function say(root, text) {
  root.querySelector(".status").textContent = text;
}

for (const root of document.querySelectorAll(".sortable")) {
  for (const heading of root.querySelectorAll("thead th")) {
    heading.querySelector("button").addEventListener("click", () => sortTable(root, heading));
  }
  for (const select of root.querySelectorAll("select[data-filter]")) {
    select.addEventListener("change", () => filterTable(root, chosen(root)));
  }
}

// -- what all figures share --------------------------------------------------------------------

const figures = JSON.parse(document.getElementById("report-data").textContent);
const darkness = matchMedia("(prefers-color-scheme: dark)");

/** Return an element with attributes and children; text becomes a text node, never markup. */
function make(name, attributes = {}, ...children) {
  const [tag, svg] = name.split(":").reverse();
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-3)) return value.toExponential(2);
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function whole(value) {
  return value.toLocaleString("en", { maximumSignificantDigits: 6 });
}

/** Return the Vega-Lite encoding of an axis. */
function positioned(axis, field, extra = {}) {
  const scale = { type: axis.scale, nice: false };
  if (axis.scale === "linear") scale.zero = false;
  if (axis.scale === "linear" && !axis.domain) scale.padding = 8;
  if (axis.domain) scale.domain = axis.domain;
  if (axis.scale === "symlog") scale.constant = axis.constant;
  const shown = { title: axis.title, format: ",.10~g", labelOverlap: true };
  if (axis.ticks.length) shown.values = axis.ticks;
  if (Math.max(0, ...(axis.domain ?? []), ...axis.ticks) >= 1e5) shown.format = "~s";
  return { field, type: "quantitative", scale, axis: { ...shown, ...extra } };
}

const STYLE = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: "container",
  background: null,
  autosize: { type: "fit-x", contains: "padding" },
  padding: { left: 2, top: 6, right: 10, bottom: 2 },
  config: {
    view: { stroke: null },
    axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridOpacity: 0.7 },
    axisX: { grid: false },
  },
};

/** Draw a specification into an element; resolves to its view. */
async function draw(element, specification) {
  const options = { actions: false, renderer: "svg", ast: true, tooltip: false, mode: "vega-lite" };
  const { view } = await vegaEmbed(element, { ...STYLE, ...specification }, options);
  return view;
}

/** Return a pointer's place in the plot of a view, in pixels. */
function pointed(view, chart, event) {
  const box = chart.querySelector("svg").getBoundingClientRect();
  const [x, y] = view.origin();
  const padding = view.padding();
  return [event.clientX - box.left - x - padding.left, event.clientY - box.top - y - padding.top];
}

/** Call `redraw` whenever a filter of a figure, or light and dark, changes; return what draws it first. */
function redrawn(root, redraw) {
  const numbers = root.querySelector(".numbers .sortable");
  const again = () => {
    const values = chosen(root);
    if (numbers) filterTable(numbers, values);
    return redraw(values);
  };
  for (const select of root.querySelectorAll("select[data-filter]")) select.addEventListener("change", again);
  darkness.addEventListener("change", again);
  return again;
}
