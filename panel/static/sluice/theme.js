// Loaded in <head> before the styles: chooses the theme before the first paint, and says that scripts run.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is off: follow the system
    }
  };
  const apply = () => {
    const theme = stored() ?? (dark.matches ? "dark" : "light");
    root.dataset.bsTheme = theme === "dark" ? "dark" : "light";
  };

  root.classList.add("js");
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // The choice then lasts as long as the page.
    }
    root.dataset.bsTheme = theme;
  });
})();
