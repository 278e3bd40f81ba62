// Words for values that scripts show.

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
