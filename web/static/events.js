// Publications as the server sends them, and whether it responds.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 4_000;

/**
 * Follow publications while the page can be seen; a lost connection is opened again.
 *
 * A hidden page gives its connection up: browsers allow few to one server, all tabs together.
 * @param {object} on
 * @param {(id: string) => void} on.publication with an empty id when one may have been missed
 * @param {(isConnected: boolean) => void} on.connection
 */
export function followPublications({ publication, connection }) {
  let wait = FIRST_WAIT;
  let isFirst = true;
  let retry = 0;
  /** @type {EventSource | undefined} */
  let source;

  const open = () => {
    clearTimeout(retry);
    source?.close();
    source = new EventSource("/events");
    source.addEventListener("open", () => {
      wait = FIRST_WAIT;
      connection(true);
      if (!isFirst) publication("");
      isFirst = false;
    });
    source.addEventListener("publication", (event) => publication(JSON.parse(event.data).id));
    source.addEventListener("error", () => {
      // The browser's own retry ends at an HTTP error and waits for seconds; this one does neither.
      source?.close();
      isFirst = false;
      connection(false);
      retry = setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    });
  };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(retry);
    if (document.hidden) source?.close();
    else open();
  });
  if (!document.hidden) open();
}
