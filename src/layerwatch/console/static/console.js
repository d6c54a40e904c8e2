// The console works without this file; it saves a reload, a mistake, a triple click.
"use strict";

// Live prints: ask for the fragment every few seconds while the page is looked at.
const live = document.querySelector("[data-poll]");
if (live) {
  const again = async () => {
    if (!document.hidden && !live.contains(document.activeElement)) {
      try {
        const answer = await fetch(live.dataset.poll, { redirect: "error" });
        if (answer.ok) live.innerHTML = await answer.text();
      } catch {
        // The next round may succeed; what is shown says itself how old it is.
      }
    }
    setTimeout(again, 5000);
  };
  setTimeout(again, 5000);
}

const heat = document.getElementById("heat-switch");
if (heat) {
  const show = () => live.classList.toggle("without-heat", !heat.checked);
  heat.checked = localStorage.getItem("heat") !== "off";
  heat.addEventListener("change", () => {
    localStorage.setItem("heat", heat.checked ? "on" : "off");
    show();
  });
  show();
}

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
