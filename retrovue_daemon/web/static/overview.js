// Bars of the overview, which move with the progress of passes.

import { loadOften, loadSoon, onExchange } from "./refresh.js";
import { follow } from "./stream.js";
import { lasting } from "./units.js";

const number = new Intl.NumberFormat("en");

let atBegin = new Map();  // when each pass was first seen, and how far it was then
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

follow("/progress", (progress) => receive(JSON.parse(progress)));
onExchange(() => shown && show(shown));
loadOften(15_000);
