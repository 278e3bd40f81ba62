// The list of changes fills as things change.

import { loadSoon } from "./refresh.js";

new EventSource("/changes/new").onmessage = (event) => {
  if (document.querySelector("[data-refresh=changes]").dataset.last !== event.data) loadSoon();
};
