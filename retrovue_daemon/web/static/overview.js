// The overview while it is open: bars move with the progress of passes, and what has changed is loaded again.

import { lasting } from "./page.js";

const LOAD_EVERY_MS = 15_000;
const LOAD_SOON_MS = 500;
const number = new Intl.NumberFormat("en");

let loading = null;
let atBegin = new Map();  // when each pass was first seen, and how far it was then

// The server renders everything; scripts only exchange the parts that differ.
function load() {
  clearTimeout(loading);
  loading = setTimeout(load, LOAD_EVERY_MS);
  if (document.hidden) return;
  const request = new XMLHttpRequest();
  request.open("GET", location.pathname);
  request.responseType = "document";
  request.onload = () => { if (request.status === 200 && request.response) exchange(request.response); };
  request.send();
}

function loadSoon() {
  clearTimeout(loading);
  loading = setTimeout(load, LOAD_SOON_MS);
}

function exchange(latest) {
  const names = (from) => [...from.querySelectorAll("[data-refresh]")].map((part) => part.dataset.refresh).join("\n");
  if (names(document) !== names(latest)) {
    location.reload();
    return;
  }
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const next = latest.querySelector(`[data-refresh="${CSS.escape(part.dataset.refresh)}"]`);
    if (part.contains(document.activeElement) || part.isEqualNode(next)) continue;
    part.replaceWith(document.importNode(next, true));
  }
  if (shown) show(shown);
}

let shown = null;

function setBar(bar, done, total) {
  bar.classList.remove("idle");
  if (total === null) {
    bar.removeAttribute("value");
  } else {
    bar.max = Math.max(total, 1);
    bar.value = done;
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function remaining(running) {
  const now = performance.now();
  const key = `${running.number} ${running.listing}`;
  if (!atBegin.has(key)) atBegin.set(key, [now, running.done]);
  const [began, done] = atBegin.get(key);
  const perSecond = (running.done - done) / ((now - began) / 1000);
  if (!(now - began > 1000) || !(perSecond > 0)) return "";
  const rate = ` · ${number.format(Math.round(perSecond))}/s`;
  return running.total === null ? rate : `${rate} · ${lasting((running.total - running.done) / perSecond)} left`;
}

function show(progress) {
  const all = progress.libraries_total;
  const bar = document.getElementById("round-bar"), text = document.getElementById("round-text");
  if (progress.running.length) {
    setBar(bar, progress.libraries_done, all);
    setText(text, `Syncing: ${number.format(progress.libraries_done)} of ${number.format(all)} ${all === 1 ? "library" : "libraries"} done`);
  } else if (progress.details_total) {
    const items = progress.details_total;
    setBar(bar, progress.details_read, items);
    setText(text, `Reading details: ${number.format(progress.details_read)} of ${number.format(items)} ${items === 1 ? "item" : "items"}`);
  } else {
    bar.classList.add("idle");
    setText(text, "No pass is running");
  }
  const running = new Map(progress.running.map((each) => [`${each.server}\n${each.library}`, each]));
  for (const row of document.querySelectorAll("tr[data-library]")) {
    const one = running.get(`${row.dataset.server}\n${row.dataset.library}`);
    const own = row.querySelector("progress"), words = row.querySelector(".now span");
    row.querySelector(".passes").classList.toggle("running", one !== undefined);
    if (one) {
      setBar(own, one.done, one.total);
      const total = one.total === null ? "" : ` of ${number.format(one.total)}`;
      setText(words, `${number.format(one.done)}${total}${remaining(one)}`);
    } else {
      setText(words, "");
    }
  }
}

function receive(progress) {
  const ended = shown && (shown.libraries_done !== progress.libraries_done || shown.running.length > progress.running.length);
  if (!progress.running.length) atBegin = new Map();
  shown = progress;
  show(progress);
  if (ended) loadSoon();
}

const events = new EventSource("/progress");
events.onmessage = (event) => receive(JSON.parse(event.data));
loading = setTimeout(load, LOAD_EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || loadSoon());
