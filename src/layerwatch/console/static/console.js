// The console works without this file; it saves a mistake, a triple click.
"use strict";

// Times are written in UTC; a reader sees their own.
const showClocks = (within) => {
  for (const time of within.querySelectorAll("[data-clock]:not([title]), [data-when]:not([title])")) {
    const at = new Date(Number(time.dataset.clock || time.dataset.when) * 1000);
    time.title = at.toLocaleString();
    time.textContent = time.dataset.clock
      ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
      : at.toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  }
};
showClocks(document);

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}
