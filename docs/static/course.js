// The belief map: a row of stills becomes one picture with a slider.
document.addEventListener("DOMContentLoaded", () => {
  const figure = document.getElementById("belief-map");
  if (!figure) return;
  const frames = JSON.parse(figure.dataset.frames);
  const player = document.createElement("div");
  player.className = "player";
  player.innerHTML = `
    <img width="560" height="440">
    <label for="belief-gamma">Focal loss, gamma</label>
    <input id="belief-gamma" type="range" min="0" max="${frames.length - 1}" step="1">
    <output for="belief-gamma"></output>`;
  const [image, slider, output] = ["img", "input", "output"].map((s) => player.querySelector(s));
  const show = () => {
    const frame = frames[slider.value];
    image.src = frame.src;
    image.alt = frame.alt;
    output.textContent = `${frame.gamma}: it says ${frame.says}`;
    slider.setAttribute("aria-valuetext", `gamma ${frame.gamma}, focal loss says ${frame.says}`);
  };
  slider.value = frames.findIndex((frame) => frame.gamma === 2);
  slider.addEventListener("input", show);
  show();
  figure.append(player);
  figure.classList.add("live");
  frames.forEach((frame) => { new Image().src = frame.src; });
});

// Whatever scrolls sideways can be reached and scrolled with the keyboard.
window.addEventListener("load", () => {
  const reach = () => {
    for (const box of document.querySelectorAll("pre, .scrolls, .output, mjx-container")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    }
  };
  document.querySelectorAll("article table").forEach((table) => {
    if (table.parentElement.classList.contains("pst-scrollable-table-container")) {
      table.parentElement.classList.add("scrolls");
      return;
    }
    const box = document.createElement("div");
    box.className = "scrolls";
    table.replaceWith(box);
    box.append(table);
  });
  reach();
  window.MathJax?.startup?.promise?.then(reach);
});
