// Runs before the first paint: a chosen theme must not flash the other one.
try {
  const chosen = localStorage.getItem("codeex.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is closed to this page (private mode): the system's theme stands.
}
