// Shows the numbers under the pointer and by the arrow keys, leads `/` to the filters, and tells of
// panels that can't be had. Without it everything can still be read, in the tables.
"use strict";

function show(chart, column) {
  chart.querySelectorAll(".column.shown").forEach((it) => it.classList.remove("shown"));
  const told = chart.querySelector(".told");
  if (!column) {
    told.replaceChildren();
    return;
  }
  column.classList.add("shown");
  const values = [...column.querySelectorAll(".mark")].map((it) =>
    inSpan(it.dataset.name, ` ${it.dataset.value}`)
  );
  told.replaceChildren(inSpan(column.dataset.title), ...values);
}

function inSpan(name, value = "") {
  const span = document.createElement("span");
  // The name may be written from right to left.
  const isolated = document.createElement("bdi");
  isolated.textContent = name;
  span.append(isolated, value);
  return span;
}

// On a narrow screen the pages and the ranges scroll sideways: what is chosen is brought into sight,
// and the page itself stays where it is.
for (const chosen of document.querySelectorAll("nav [aria-current]")) {
  const nav = chosen.closest("nav");
  const [inner, outer] = [chosen.getBoundingClientRect(), nav.getBoundingClientRect()];
  nav.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
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
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) return;
  if (event.key === "/") toFilter(event);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  // Where something scrolls sideways, these keys do that.
  if (step && !event.target.closest(".scroll, nav, pre")) toNext(event, step);
});

function toFilter(event) {
  const filter = document.querySelector("[data-filter]");
  if (!filter) return;
  event.preventDefault();
  filter.focus();
}

function toNext(event, step) {
  const chart = event.target.closest("[data-chart]") || document.querySelector("[data-chart]");
  if (!chart) return;
  const columns = [...chart.querySelectorAll(".column")];
  const now = columns.findIndex((it) => it.classList.contains("shown"));
  const next = now < 0 ? columns.length - 1 : Math.min(columns.length - 1, Math.max(0, now + step));
  event.preventDefault();
  columns[next].focus({ preventScroll: true });
  show(chart, columns[next]);
}

function polls(element) {
  return (element.dataset.hxTrigger || "").startsWith("every");
}

// Nobody looks at a page in the background.
document.addEventListener("htmx:config:request", (event) => {
  if (document.hidden && polls(event.target)) event.preventDefault();
});

// What a proxy or the rate limit says instead of a panel is no panel.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.hx && ctx.hx.redirect) return;
  const isOurs = /^\s*<(section|p|div) class="(panel|first)/.test(ctx.text);
  if (isOurs && !(polls(event.target) && ctx.response.status >= 400)) return;
  event.preventDefault();
  fail(event.target, ctx, `The service answered ${ctx.response.status}.`);
});

document.addEventListener("htmx:error", (event) => {
  const { ctx } = event.detail;
  if (ctx && ctx.sourceElement) fail(ctx.sourceElement, ctx, "The service can't be reached.");
});

function fail(element, ctx, text) {
  if (polls(element)) {
    // It asks again by itself. What it showed before may still be of use.
    element.dataset.stale = `${text} This is not up to date.`;
    return;
  }
  const panel = element.closest("section");
  if (!panel) return;
  const said = document.createElement("p");
  said.className = "error";
  said.setAttribute("role", "alert");
  said.textContent = text;
  const title = panel.querySelector("h2");
  panel.removeAttribute("aria-busy");
  panel.replaceChildren(...(title ? [title] : []), said);
  // What a proxy refuses, it refuses again.
  const status = ctx.response ? ctx.response.status : 0;
  if (status >= 400 && status < 500 && status !== 429) return;
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = "Try again";
  again.dataset.hxGet = ctx.request.action;
  again.dataset.hxTarget = "closest section";
  again.dataset.hxSwap = "outerHTML";
  panel.append(again);
  htmx.process(again);
}

// A form that was sent waits for its answer: a second click would make a second key, and lose the
// secret of the first one.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((it) => delete it.dataset.sent);
});

// The text stays selected, for where the browser does not let a page copy.
document.querySelectorAll("[data-copy]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => {
    const copied = document.getElementById(button.dataset.copy);
    if (copied.select) copied.select();
    else getSelection().selectAllChildren(copied);
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
  });
});
