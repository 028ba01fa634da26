// Charts are drawn from the tables that stand below them, so that both tell the same and the table is there without scripts.

/* global uPlot */

const COLOURS = ["--accent", "--ember", "--info", "--caution", "--danger"];

/** Draw each figure with the class `chart` below an element. */
export function drawCharts(root) {
  for (const figure of root.querySelectorAll("figure.chart")) {
    if (!figure.dataset.drawn) draw(figure);
  }
}

function draw(figure) {
  const table = figure.querySelector("table");
  const place = figure.querySelector(".chart-canvas");
  if (!table || !place || typeof uPlot === "undefined") return;
  const { times, series } = read(table);
  if (times.length < 2) return;
  figure.dataset.drawn = "yes";
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => resolved(style.getPropertyValue(name));
  const sparse = (values) => values.filter((value) => value !== null).length < 8;
  const axis = { stroke: colour("--ink-faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const options = {
    width: place.clientWidth,
    height: 220,
    cursor: { points: { size: 6 } },
    scales: { x: { time: true } },
    tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1e3), figure.dataset.zone || "UTC"),
    axes: [{ ...axis, values: (_plot, ticks) => ticks.map((tick) => tickText(tick, figure.dataset)) }, { ...axis, size: 56, values: (_plot, ticks) => ticks.map((tick) => short(tick, figure.dataset.unit)) }],
    series: [
      { label: table.tHead.rows[0].cells[0].textContent.trim(), value: (_plot, stamp) => (stamp === null ? "" : moment(stamp, figure.dataset)) },
      ...series.map((one, place) => ({
        label: one.label,
        stroke: colour(COLOURS[place % COLOURS.length]),
        width: 2,
        points: { show: sparse(one.values) },
        fill: series.length === 1 ? `color-mix(in srgb, ${colour(COLOURS[0])} 12%, transparent)` : undefined,
        value: (_plot, value) => (value === null ? "–" : short(value, figure.dataset.unit)),
        spanGaps: false,
      })),
    ],
  };
  const plot = new uPlot(options, [times, ...series.map((one) => one.values)], place);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 220 })).observe(place);
}

/** A table's first column holds times (`data-at`, seconds since 1970), every other one a series (`data-value`). */
function read(table) {
  const heads = [...table.tHead.rows[0].cells].slice(1);
  const rows = [...table.tBodies[0].rows];
  const at = (row, column) => {
    const value = row.cells[column].dataset.value;
    return value === undefined || value === "" ? null : Number(value);
  };
  return {
    times: rows.map((row) => Number(row.cells[0].dataset.at)),
    series: heads.map((head, place) => ({ label: head.textContent.trim(), values: rows.map((row) => at(row, place + 1)) })),
  };
}

/** `light-dark()` cannot be drawn with: ask the browser for the colour that it stands for. */
function resolved(value) {
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = value;
  document.body.append(probe);
  probe.hidden = false;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function short(value, unit) {
  if (unit === "share") return `${Math.round(value * 1000) / 10}%`;
  if (unit === "us") return value >= 1e6 ? `${trim(value / 1e6)} s` : `${trim(value / 1e3)} ms`;
  const language = document.documentElement.lang === "ko" ? "ko" : "en";
  return new Intl.NumberFormat(language, { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

function moment(stamp, { zone, step }) {
  const parts = step === "hour" ? { dateStyle: "medium", timeStyle: "short" } : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(document.documentElement.lang, { ...parts, timeZone: zone || "UTC" }).format(new Date(stamp * 1e3));
}

/** The day where the step is a day; else the hour, and the day at midnight. */
function tickText(stamp, { zone, step }) {
  const at = new Date(stamp * 1e3);
  const told = (parts) => new Intl.DateTimeFormat(document.documentElement.lang, { ...parts, timeZone: zone || "UTC" }).format(at);
  const clock = told({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return step === "hour" && clock !== "00:00" ? clock : told({ month: "numeric", day: "numeric" });
}

function trim(value) {
  return Number(value.toPrecision(3)).toString();
}
