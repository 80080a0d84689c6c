// Regions that poll. The server names each state by an ETag: an unchanged one answers 304 and nothing is touched.
(() => {
  document.addEventListener("htmx:configRequest", (event) => {
    const etag = event.target.dataset.etag;
    if (etag) event.detail.headers["If-None-Match"] = etag;
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const etag = event.detail.xhr?.getResponseHeader("ETag");
    if (etag && "etag" in event.target.dataset) event.target.dataset.etag = etag;
  });

  // A log follows its tail until the reader scrolls up.
  const atTail = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  const toTail = (log) => {
    log.scrollTop = log.scrollHeight;
  };

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-log]").forEach(toTail));

  document.addEventListener("htmx:beforeSwap", () => {
    for (const log of document.querySelectorAll("[data-log]")) log.dataset.follow = atTail(log);
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const log of document.querySelectorAll("[data-log]")) {
      if (log.dataset.follow === "true") toTail(log);
      filter(log);
    }
  });

  const filter = (log) => {
    const input = document.querySelector(`[data-log-find="${log.id}"]`);
    const wanted = input?.value.toLowerCase() ?? "";
    for (const row of log.querySelectorAll("tr")) {
      row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    }
  };

  document.addEventListener("input", (event) => {
    const id = event.target.dataset.logFind;
    if (id) filter(document.getElementById(id));
  });
})();
