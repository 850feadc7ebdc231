// Sends a file that is dropped on the page or chosen, and then shows what becomes of it.
"use strict";

(() => {
  const zone = () => document.querySelector("[data-drop]");
  let isSending = false;

  function tell(text, isWrong = false) {
    const said = zone().querySelector(".sent");
    said.textContent = text;
    said.classList.toggle("error", isWrong);
  }

  function send(files) {
    if (isSending) return;
    if (files.length !== 1) {
      tell("One file at a time, please.", true);
      return;
    }
    const [form, [file]] = [zone(), files];
    const given = new URLSearchParams({ name: file.name.slice(0, 200) });
    if (form.elements.preset.value) given.set("preset", form.elements.preset.value);
    const bar = form.querySelector("progress");
    const request = new XMLHttpRequest();
    request.open("POST", `${form.dataset.drop}&${given}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.upload.addEventListener("progress", (event) => {
      bar.value = (event.loaded / event.total) * 100;
      tell(`${file.name}: ${Math.floor(bar.value)} % sent`);
    });
    request.addEventListener("load", () => answered(request));
    request.addEventListener("error", () => {
      tell("The file can't be read, or the service can't be reached.", true);
    });
    request.addEventListener("loadend", () => {
      isSending = false;
      bar.hidden = true;
      form.elements.file.value = "";
    });
    isSending = true;
    bar.hidden = false;
    bar.value = 0;
    tell(`${file.name}: sending`);
    request.send(file);
  }

  function answered(request) {
    if (request.status !== 202) {
      tell(reason(request), true);
      return;
    }
    tell("");
    follow(JSON.parse(request.responseText).id);
  }

  function reason(request) {
    if (request.status === 401) return "Your session has ended. Log in again.";
    try {
      return JSON.parse(request.responseText).detail;
    } catch {
      return `The service answered ${request.status}.`;
    }
  }

  function follow(id) {
    const form = zone();
    const panel = document.createElement("section");
    panel.className = "panel progress";
    panel.dataset.hxGet = `${form.dataset.progress}&id=${encodeURIComponent(id)}`;
    panel.dataset.hxTrigger = "load";
    panel.dataset.hxSwap = "outerHTML";
    document.querySelectorAll(".progress").forEach((it) => it.remove());
    form.after(panel);
    htmx.process(panel);
  }

  function mark(isOver) {
    zone()?.classList.toggle("over", isOver);
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-drop] [type=file]") && event.target.files.length) {
      send(event.target.files);
    }
  });
  // Anywhere on the page: a file that is dropped beside the place would else be opened.
  document.addEventListener("dragover", (event) => {
    if (!zone() || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false);
  });
  document.addEventListener("drop", (event) => {
    if (!zone() || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    mark(false);
    send(event.dataTransfer.files);
  });
})();
