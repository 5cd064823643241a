// Live parts of a page. Without this script the page is right as of when it was opened.
"use strict";
(() => {
  const part = document.querySelector("[data-live]");
  if (!part || !window.EventSource) return;
  const stream = new EventSource(part.dataset.live);
  stream.addEventListener("state", (event) => {
    // What somebody is about to press does not move away beneath his finger.
    if (part.contains(document.activeElement)) return;
    part.innerHTML = event.data;
  });
  stream.addEventListener("over", () => {
    stream.close();
    location.reload();
  });
})();
