// What every page does: times stay true while it is open. All pages work without scripts.

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

// A duration in its two largest units, as retrovue_daemon/units.py writes it.
export function lasting(seconds) {
  const whole = Math.round(seconds);
  for (const [position, [size, name]] of UNITS.entries()) {
    if (whole < size) continue;
    const [part, unit] = UNITS[position + 1] ?? [0, ""];
    const rest = part ? Math.floor((whole % size) / part) : 0;
    return `${Math.floor(whole / size)} ${name}` + (rest ? ` ${rest} ${unit}` : "");
  }
  return "0 s";
}

export function ago(moment, now = Date.now()) {
  const distance = (now - moment) / 1000;
  if (Math.abs(distance) < 1) return "now";
  return distance > 0 ? `${lasting(distance)} ago` : `in ${lasting(-distance)}`;
}

// The token that scripts send with a change, in the header X-Form-Token; null if nobody is signed in.
export function formToken() {
  return document.querySelector("meta[name=form-token]")?.content ?? null;
}

function refresh() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const words = ago(Date.parse(element.dateTime));
    if (element.textContent !== words) element.textContent = words;
  }
}

function everySecond() {
  if (!document.hidden) refresh();
  setTimeout(everySecond, 1000);
}

setTimeout(everySecond, 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
