// Follows a stream of server-sent events while the page is visible, whatever happens to the connection.

import { loadSoon } from "./refresh.js";

const AGAIN_MS = 3_000;

export function follow(address, receive) {
  let events = null, waiting = null;

  function open() {
    clearTimeout(waiting);
    if (document.hidden || events) return;
    events = new EventSource(address);
    events.onmessage = (event) => receive(event.data);
    events.onerror = () => {
      loadSoon();  // which finds out whether the daemon is there, and who may read
      // Browsers connect again by themselves, but not after a response that is no stream, such as a proxy's error.
      if (events.readyState !== EventSource.CLOSED) return;
      close();
      waiting = setTimeout(open, AGAIN_MS);
    };
  }

  function close() {
    clearTimeout(waiting);
    events?.close();
    events = null;
  }

  // A browser has six connections to a host, for all its tabs: hidden ones must not keep them.
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  open();
}
