// Completes the fields of filters, by the ARIA pattern of a combobox with a list. The service says
// what a text may become, and each offer is the whole text to put in. Without this script the field
// is a plain one.
"use strict";

(() => {
  const WAIT = 150;
  const [list, said] = [made("ul", "offers"), made("p", "hidden")];
  let [field, offers, at, asked, timer] = [null, [], -1, 0, 0];
  let asking = new AbortController();

  function made(tag, name, text = "") {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    return element;
  }

  function ask(input) {
    forget();
    const number = asked;
    timer = setTimeout(async () => {
      const found = await answerFor(input, asking.signal);
      // Somebody has typed on, or gone away.
      if (number !== asked || document.activeElement !== input) return;
      show(input, found);
    }, WAIT);
  }

  // The service stops a query whose answer nobody waits for.
  function forget() {
    clearTimeout(timer);
    asked += 1;
    asking.abort();
    asking = new AbortController();
  }

  async function answerFor(input, signal) {
    const text = new URLSearchParams({ text: input.value });
    try {
      const response = await fetch(`${input.dataset.complete}&${text}`, { signal });
      if (!response.ok || response.redirected) return null;
      return (await response.json()).offers;
    } catch {
      return null;
    }
  }

  function show(input, found) {
    close();
    if (!found || !found.length) {
      said.textContent = found ? "No suggestions." : "Suggestions can't be had now.";
      return;
    }
    [field, offers] = [input, found];
    list.replaceChildren(...offers.map(option));
    list.hidden = false;
    list.scrollTop = 0;
    place();
    field.setAttribute("aria-expanded", "true");
    said.textContent = `${offers.length} suggestion${offers.length === 1 ? "" : "s"}.`;
  }

  function option(offer, number) {
    const item = made("li", "offer");
    item.id = `offer-${number}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const label = made("span", "label", offer.label);
    label.dir = "auto";
    label.title = offer.label;
    item.append(label, made("small", "kind", offer.about));
    return item;
  }

  function place() {
    const [box, room] = [field.getBoundingClientRect(), document.documentElement.clientWidth - 24];
    const width = Math.min(room, Math.max(320, Math.min(560, box.width)));
    const left = Math.min(box.left, room + 12 - width);
    list.style.width = `${width}px`;
    list.style.left = `${left + window.scrollX}px`;
    list.style.top = `${box.bottom + window.scrollY + 4}px`;
  }

  function close() {
    if (field) {
      field.setAttribute("aria-expanded", "false");
      field.removeAttribute("aria-activedescendant");
    }
    list.hidden = true;
    [field, offers, at] = [null, [], -1];
  }

  function move(step) {
    const items = [...list.children];
    items[at]?.setAttribute("aria-selected", "false");
    field.removeAttribute("aria-activedescendant");
    // One place more than there are offers: that of the field itself.
    at = ((at + 1 + step + items.length + 1) % (items.length + 1)) - 1;
    if (at < 0) return;
    items[at].setAttribute("aria-selected", "true");
    items[at].scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", items[at].id);
  }

  function choose(number) {
    const [input, offer] = [field, offers[number]];
    close();
    input.value = offer.text;
    input.setSelectionRange(offer.text.length, offer.text.length);
    input.scrollLeft = input.scrollWidth;
    said.textContent = `${offer.label} is in the field.`;
    forget();
    if (!offer.whole) ask(input);
  }

  function typed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (step) {
      event.preventDefault();
      if (field) move(step);
      else ask(event.target);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      choose(at);
    } else if (event.key === "Escape") {
      forget();
      if (field) event.preventDefault();
      close();
    }
  }

  list.id = "offers";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  said.setAttribute("role", "status");
  document.body.append(list, said);
  // The field keeps the focus.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) choose([...list.children].indexOf(item));
  });
  window.addEventListener("resize", () => field && place());
  for (const input of document.querySelectorAll("[data-complete]")) {
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", list.id);
    input.addEventListener("input", () => ask(input));
    input.addEventListener("click", () => field || ask(input));
    input.addEventListener("focus", () => input.value || ask(input));
    input.addEventListener("keydown", typed);
    input.addEventListener("blur", () => { forget(); close(); });
  }
})();
