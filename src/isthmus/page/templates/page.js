"use strict";
// Enlarging: the dialog is the browser's own, so Escape closes it and focus goes back to the figure.
const dialog = document.getElementById("enlarged");
for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    const small = button.querySelector("img");
    const large = dialog.querySelector("img");
    large.src = small.src;
    large.alt = small.alt;
    document.getElementById("enlarged-title").textContent = button.dataset.title;
    dialog.showModal();
  });
}
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
// Beside the picture, on the backdrop.
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

// Copying: where the browser permits it.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select and copy";
      }
    });
  }
}
