// The list of changes fills as things change.

import { loadSoon } from "./refresh.js";
import { follow } from "./stream.js";

follow("/changes/new", (last) => {
  if (document.querySelector("[data-refresh=changes]").dataset.last !== last) loadSoon();
});
