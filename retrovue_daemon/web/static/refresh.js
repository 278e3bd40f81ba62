// Loads a page again while it is open. The server renders everything; only the parts that differ are exchanged.
// Parts are elements with data-refresh; lines of a list with a data-key are marked while they are new.

const SOON_MS = 500;

let everyMs = null, waiting = null, isLoading = false, wantsMore = false;
let afterExchange = () => {};

// Call a function whenever parts were exchanged.
export function onExchange(action) {
  afterExchange = action;
}

// Load the page again every so many milliseconds, while it is visible.
export function loadOften(milliseconds) {
  everyMs = milliseconds;
  wait(everyMs);
}

// Load it again in a moment; several calls within that count as one.
export function loadSoon() {
  if (isLoading) wantsMore = true;
  else wait(SOON_MS);
}

function wait(milliseconds) {
  clearTimeout(waiting);
  waiting = setTimeout(load, milliseconds);
}

function load() {
  if (document.hidden) return;  // until it is visible again
  isLoading = true;
  wantsMore = false;
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.onload = () => { if (request.status === 200 && request.response) exchange(request.response); };
  request.onloadend = () => {
    isLoading = false;
    if (wantsMore) wait(SOON_MS);
    else if (everyMs !== null) wait(everyMs);
  };
  request.send();
}

function names(from) {
  return [...from.querySelectorAll("[data-refresh]")].map((part) => part.dataset.refresh).join("\n");
}

function exchange(latest) {
  if (names(document) !== names(latest)) {
    location.reload();
    return;
  }
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const next = latest.querySelector(`[data-refresh="${CSS.escape(part.dataset.refresh)}"]`);
    // A person who is in it would lose the place.
    if (part.contains(document.activeElement) || part.isEqualNode(next)) continue;
    const exchanged = document.importNode(next, true);
    markNew(part, exchanged);
    part.replaceWith(exchanged);
  }
  afterExchange();
}

function markNew(before, after) {
  const known = new Set([...before.querySelectorAll("[data-key]")].map((line) => line.dataset.key));
  for (const line of after.querySelectorAll("[data-key]")) line.classList.toggle("new", !known.has(line.dataset.key));
}

document.addEventListener("visibilitychange", () => document.hidden || loadSoon());
