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

  // A form's region that is drawn anew: what was ticked or typed after the request went out is not in its answer.
  const state = (region) => {
    const found = new Map();
    for (const field of region.querySelectorAll("input, select, textarea")) {
      const ticked = field.type === "checkbox" || field.type === "radio";
      if (field.name) found.set(ticked ? `${field.name}=${field.value}` : field.name, ticked ? field.checked : field.value);
    }
    return found;
  };
  const write = (region, values) => {
    for (const field of region.querySelectorAll("input, select, textarea")) {
      const ticked = field.type === "checkbox" || field.type === "radio";
      const value = values.get(ticked ? `${field.name}=${field.value}` : field.name);
      if (value === undefined) continue;
      if (ticked) field.checked = value;
      else field.value = value;
    }
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    const region = event.detail.target?.closest("[data-keep-typed]");
    if (region) region.sent = state(region);
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const region = event.detail.target?.closest("[data-keep-typed]");
    if (!region?.sent) return;
    region.since = new Map([...state(region)].filter(([name, value]) => region.sent.get(name) !== value));
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const region = event.detail.target?.closest("[data-keep-typed]");
    if (region?.since) write(region, region.since);
  });
})();
