// Shows the numbers under the pointer and by the arrow keys, and leads `/` to the filters. Without
// it everything can still be read, in the tables.
"use strict";

function show(chart, column) {
  chart.querySelectorAll(".column.shown").forEach((it) => it.classList.remove("shown"));
  const told = chart.querySelector(".told");
  if (!column) {
    told.textContent = "";
    return;
  }
  column.classList.add("shown");
  const values = [...column.querySelectorAll(".mark")].map(
    (it) => `${it.dataset.name} ${it.dataset.value}`
  );
  told.textContent = [column.dataset.title, ...values].join("   ");
}

function columnOf(target) {
  return target instanceof Element ? target.closest(".column") : null;
}

document.addEventListener("pointerover", (event) => {
  const column = columnOf(event.target);
  if (column) show(column.closest("[data-chart]"), column);
});

document.addEventListener("pointerout", (event) => {
  const column = columnOf(event.target);
  if (column && !columnOf(event.relatedTarget)) show(column.closest("[data-chart]"), null);
});

document.addEventListener("focusin", (event) => {
  const column = columnOf(event.target);
  if (column) show(column.closest("[data-chart]"), column);
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    const filter = document.querySelector("[data-filter]");
    if (filter) {
      event.preventDefault();
      filter.focus();
    }
  }
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || isTyping) return;
  const chart = event.target.closest("[data-chart]") || document.querySelector("[data-chart]");
  if (!chart) return;
  const columns = [...chart.querySelectorAll(".column")];
  const now = columns.findIndex((it) => it.classList.contains("shown"));
  const next = now < 0 ? columns.length - 1 : Math.min(columns.length - 1, Math.max(0, now + step));
  event.preventDefault();
  columns[next].focus({ preventScroll: true });
});
