"use strict";
// The table of records: column arrays, a virtual list, and a window chosen on
// the chart. Text is set with textContent only; it was escaped when the page
// was made.
(async () => {
  const $ = id => document.getElementById(id);
  const packed = atob($("data").textContent.trim());
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const d = await new Response(stream).json();
  d.t ||= []; d.a ||= []; d.c ||= []; d.m ||= []; d.id ||= []; d.h ||= [];
  const HEIGHT = 22, rows = $("rows"), space = $("space");
  const choose = (select, names) => names.map((n, i) => [n, i]).sort((x, y) => x[0] < y[0] ? -1 : 1).forEach(([n, i]) => {
    const o = document.createElement("option");
    o.value = i; o.textContent = n || "(none)"; select.append(o);
  });
  choose($("artifact"), d.artifacts);
  choose($("action"), d.actions);
  let shown = [], low = -Infinity, high = Infinity;
  const lower = d.m.map(s => s.toLowerCase());
  const time = t => new Date(t).toISOString().replace("T", " ").replace("Z", "");
  const filter = () => {
    const find = $("find").value.toLowerCase(), art = $("artifact").value, act = $("action").value, hot = $("hot").checked;
    shown = [];
    for (let i = 0; i < d.n; i++) {
      if (d.t[i] < low || d.t[i] >= high) continue;
      if (art !== "" && d.a[i] !== +art || act !== "" && d.c[i] !== +act || hot && !d.h[i]) continue;
      if (find && !lower[i].includes(find) && !d.id[i].startsWith(find)) continue;
      shown.push(i);
    }
    $("count").textContent = shown.length.toLocaleString("en") + " of " + d.n.toLocaleString("en") + " records";
    space.style.height = shown.length * HEIGHT + "px";
    rows.scrollTop = 0;
    draw();
  };
  const draw = () => {
    const first = Math.max(0, Math.floor(rows.scrollTop / HEIGHT) - 4);
    const last = Math.min(shown.length, first + Math.ceil(rows.clientHeight / HEIGHT) + 8);
    space.replaceChildren();
    for (let k = first; k < last; k++) {
      const i = shown[k], row = document.createElement("div");
      row.className = d.h[i] ? "row h" : "row";
      row.style.top = k * HEIGHT + "px";
      for (const s of [time(d.t[i]), d.artifacts[d.a[i]], d.actions[d.c[i]], d.m[i]]) {
        const cell = document.createElement("span");
        cell.textContent = s; cell.title = s; row.append(cell);
      }
      const cell = document.createElement("span"), full = records.get(d.id[i]);
      const link = document.createElement(full ? "a" : "code");
      link.textContent = d.id[i];
      if (full) link.href = "#" + full; else link.title = "ks-timeline source " + d.id[i];
      cell.append(link); row.append(cell); space.append(row);
    }
  };
  const records = new Map([...document.querySelectorAll("section[id^='r-']")].map(s => [s.id.slice(2, 14), s.id]));
  let waiting = false;
  rows.addEventListener("scroll", () => {
    if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(); }); }
  });
  for (const id of ["find", "artifact", "action", "hot"]) $(id).addEventListener("input", filter);
  const chart = $("density");
  if (chart) {
    const first = +chart.dataset.first, hours = +chart.dataset.hours, mark = $("window");
    const at = e => { const b = chart.getBoundingClientRect(); return Math.min(1, Math.max(0, (e.clientX - b.left) / b.width)); };
    let from = null;
    chart.addEventListener("pointerdown", e => { from = at(e); chart.setPointerCapture(e.pointerId); e.preventDefault(); });
    chart.addEventListener("pointermove", e => { if (from !== null) show(from, at(e)); });
    chart.addEventListener("pointerup", e => {
      if (from === null) return;
      let a = Math.min(from, at(e)), b = Math.max(from, at(e));
      from = null;
      if (b - a < 0.002) { a = Math.max(0, a - 0.005); b = Math.min(1, b + 0.005); }
      show(a, b);
      low = first + a * hours * 3600000; high = first + b * hours * 3600000;
      filter();
    });
    const show = (a, b) => { mark.setAttribute("x", Math.min(a, b) * 1116); mark.setAttribute("width", Math.abs(b - a) * 1116); };
    $("all").addEventListener("click", () => { low = -Infinity; high = Infinity; mark.setAttribute("width", 0); filter(); });
  }
  addEventListener("keydown", e => { if (e.key === "Escape" && location.hash.length > 4) location.hash = "#top"; });
  filter();
})();
