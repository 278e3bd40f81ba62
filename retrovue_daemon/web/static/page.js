// What every page does: times stay true while it is open. All pages work without scripts.

import { lasting } from "./units.js";

// The daemon's time: this machine's clock may be another. The element is exchanged when the page is loaded again.
let known = null, ahead = 0;

function now() {
  const element = document.querySelector("meta[name=now]");
  if (element && element !== known) {
    known = element;
    ahead = Date.now() - 1000 * Number(element.content);
  }
  return Date.now() - ahead;
}

function ago(moment) {
  const distance = (now() - moment) / 1000;
  if (Math.abs(distance) < 1) return "now";
  return distance > 0 ? `${lasting(distance)} ago` : `in ${lasting(-distance)}`;
}

function refresh() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const words = ago(Date.parse(element.dateTime));
    if (element.textContent !== words) element.textContent = words;
  }
}

now();

function everySecond() {
  if (!document.hidden) refresh();
  setTimeout(everySecond, 1000);
}

setTimeout(everySecond, 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
