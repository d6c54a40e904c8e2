// The console works without this file; it saves a mistake, a triple click.
"use strict";

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A part of the page that waits for something is loaded anew until it does not.
for (const part of document.querySelectorAll("[data-refresh]")) refresh(part);

function refresh(part) {
  setTimeout(async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
    if (!fresh) return;
    part.replaceWith(fresh);
    if (fresh.dataset.refresh) refresh(fresh);
  }, 1000 * part.dataset.refresh);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}
