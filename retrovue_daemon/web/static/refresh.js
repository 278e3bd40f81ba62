// Loads a page again while it is open. The server renders everything; only the parts that differ are exchanged.
// Parts are elements with data-refresh; lines of a list with a data-key are marked while they are new.

const SOON_MS = 500;
const AGAIN_MS = 3_000;
const LONGEST_MS = 20_000;

let everyMs = null, waiting = null, isSoon = false, isLoading = false, wantsMore = false, lost = null, loadedAt = new Date();
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
  if (isLoading) {
    wantsMore = true;
  } else if (!isSoon) {
    isSoon = true;
    wait(SOON_MS);
  }
}

function wait(milliseconds) {
  clearTimeout(waiting);
  waiting = setTimeout(load, milliseconds);
}

function load() {
  isSoon = false;
  if (document.hidden) return;  // until it is visible again
  isLoading = true;
  wantsMore = false;
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.timeout = LONGEST_MS;
  request.onload = () => {
    const isThere = request.status === 200 && request.response;
    say(isThere ? null : `The daemon responds with an error (${request.status}).`);
    if (isThere) exchange(request.response);
  };
  request.onerror = request.ontimeout = () => say("The daemon does not respond.");
  request.onloadend = () => {
    isLoading = false;
    if (wantsMore) loadSoon();
    else if (lost) wait(AGAIN_MS);
    else if (everyMs !== null) wait(everyMs);
  };
  request.send();
}

// Say that what is shown is no longer how things are, until it is again.
function say(problem) {
  if (problem === null) {
    lost?.remove();
    lost = null;
    return;
  }
  if (lost === null) {
    lost = document.createElement("p");
    lost.className = "notice bad lost";
    lost.setAttribute("role", "alert");
    document.getElementById("main").append(lost);
  }
  const text = `${problem} The page shows how things were at ${loadedAt.toLocaleTimeString()}, and goes on when it can.`;
  if (lost.textContent !== text) lost.textContent = text;
}

// What a page consists of: after an upgrade, the scripts and styles belong to another version.
function parts(from) {
  const names = [...from.querySelectorAll("[data-refresh]")].map((part) => part.dataset.refresh);
  const files = [...from.head.querySelectorAll("script, link")].map((file) => file.getAttribute("src") ?? file.getAttribute("href"));
  return [...names, ...files].join("\n");
}

// A person who marks the text of a part, to copy it, would lose it.
function isMarked(part) {
  const marked = getSelection();
  return marked.type === "Range" && (part.contains(marked.anchorNode) || part.contains(marked.focusNode));
}

function exchange(latest) {
  loadedAt = new Date();
  if (parts(document) !== parts(latest)) {
    location.reload();
    return;
  }
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const next = latest.querySelector(`[data-refresh="${CSS.escape(part.dataset.refresh)}"]`);
    if (part.isEqualNode(next) || isMarked(part)) continue;
    const exchanged = document.importNode(next, true);
    // A keyboard's place goes to the same element; where there is none, or something was typed, nothing is exchanged.
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const place = focused && [...exchanged.querySelectorAll(focused.localName)].find((each) => each.isEqualNode(focused));
    if (focused && (!place || focused.matches("input, select, textarea"))) continue;
    markNew(part, exchanged);
    part.replaceWith(exchanged);
    place?.focus({ preventScroll: true });
  }
  afterExchange();
}

function markNew(before, after) {
  const known = new Set([...before.querySelectorAll("[data-key]")].map((line) => line.dataset.key));
  for (const line of after.querySelectorAll("[data-key]")) line.classList.toggle("new", !known.has(line.dataset.key));
}

document.addEventListener("visibilitychange", () => document.hidden || loadSoon());
