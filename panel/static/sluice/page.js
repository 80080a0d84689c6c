// What every page can do: copy, fold the sidebar, keyboard shortcuts, dialogs, times that stay true.
(() => {
  const announce = (text) => {
    document.getElementById("announcer").textContent = text;
  };

  const writeToClipboard = async (text) => {
    if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
    // Plain HTTP has no clipboard API.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    await writeToClipboard(source.textContent.trim());
    const label = button.querySelector("[data-copy-label]");
    button.classList.add("is-copied");
    label.textContent = "Copied";
    announce("Copied to the clipboard");
    setTimeout(() => {
      button.classList.remove("is-copied");
      label.textContent = "Copy";
    }, 1500);
  };

  document.addEventListener("click", (event) => {
    const copyButton = event.target.closest("[data-copy]");
    if (copyButton) copy(copyButton);

    const navigation = event.target.closest("[data-nav-toggle]");
    if (navigation) navigation.setAttribute("aria-expanded", document.body.classList.toggle("nav-open"));

    const close = event.target.closest("[data-dialog-close]");
    if (close?.closest("dialog")) {
      event.preventDefault();
      close.closest("dialog").close();
    }

    if (event.target.closest("[data-shortcuts]")) document.getElementById("shortcuts").showModal();
  });

  const typing = () => /^(input|textarea|select)$/i.test(document.activeElement?.tagName ?? "");

  document.addEventListener("keydown", (event) => {
    const command = (event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k";
    if (command || (event.key === "/" && !typing())) {
      event.preventDefault();
      document.getElementById("search")?.focus();
    } else if (event.key === "?" && !typing()) {
      document.getElementById("shortcuts")?.showModal();
    }
  });

  // A fragment that lands in the dialog opens it; closing it gives the focus back by itself.
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.target.closest("dialog");
    if (dialog && !dialog.open) dialog.showModal();
  });

  document.addEventListener("change", (event) => {
    const all = event.target.closest("[data-check-all]");
    if (all) {
      for (const box of all.form.elements) if (box.name === all.dataset.checkAll) box.checked = all.checked;
    }
    if (event.target.closest("[data-submit-on-change]")) event.target.form.requestSubmit();
  });

  const UNITS = [
    [60, "second", 1],
    [3600, "minute", 60],
    [86400, "hour", 3600],
    [30 * 86400, "day", 86400],
  ];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  const relative = (date) => {
    const seconds = (date - Date.now()) / 1000;
    if (Math.abs(seconds) < 10) return "just now";
    const unit = UNITS.find(([limit]) => Math.abs(seconds) < limit);
    return unit ? words.format(Math.trunc(seconds / unit[2]), unit[1]).replace(/ (sec|min)(ond|ute)s?/, " $1") : null;
  };
  const duration = (seconds) => {
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
    const rest = String(Math.floor(seconds % 60)).padStart(2, "0");
    if (hours) return `${hours}h ${String(minutes).padStart(2, "0")}m`;
    return minutes ? `${minutes}m ${rest}s` : `${Math.floor(seconds)}s`;
  };

  const tick = () => {
    for (const element of document.querySelectorAll("time[data-relative]")) {
      const text = relative(Date.parse(element.dateTime));
      if (text && element.textContent !== text) element.textContent = text;
    }
    for (const element of document.querySelectorAll("[data-since]")) {
      element.textContent = duration(Math.max(0, (Date.now() - Date.parse(element.dataset.since)) / 1000));
    }
  };
  setInterval(tick, 1000);

  // What was typed into a form whose session had ended comes back after signing in. It stays in this tab, without
  // passwords and tokens, and is forgotten with the next page that is neither the sign-in nor the form's own.
  const KEPT = "sluice-typed";
  const holdsKeys = /\/(providers|aws-accounts)\//.test(location.pathname);
  const keepable = (field) => field.name && !["password", "hidden", "file", "submit"].includes(field.type) && !(field.type === "textarea" && holdsKeys);
  const ticked = (field) => field.type === "checkbox" || field.type === "radio";

  document.addEventListener("submit", (event) => {
    const form = event.target;
    // Not form.method: a field of that name would be found.
    if (form.getAttribute("method") !== "post" || location.pathname.endsWith("/sign-in/")) return;
    const typed = [...form.elements].filter(keepable).map((field) => [field.name, field.value, ticked(field) ? field.checked : null]);
    if (typed.length) sessionStorage.setItem(KEPT, JSON.stringify({ page: location.pathname, ended: false, typed }));
  });

  const bringBack = () => {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    if (!kept) return;
    if (document.querySelector("main.alone")) {
      sessionStorage.setItem(KEPT, JSON.stringify({ ...kept, ended: true }));
      return;
    }
    sessionStorage.removeItem(KEPT);
    if (!kept.ended || kept.page !== location.pathname) return;
    for (const [name, value, checked] of kept.typed) {
      for (const field of document.getElementsByName(name)) {
        if (!keepable(field) || !field.closest("main")) continue;
        if (checked === null) field.value = value;
        else if (field.value === value) field.checked = checked;
      }
    }
    announce("What you had typed is back. It is not saved yet.");
  };
  addEventListener("DOMContentLoaded", bringBack);
})();
