// Cut each notebook section into pages of 1280 x 720, then let reveal.js show them.
//
// The rule: a text cell opens a page, and the code cells after it follow while they fit. A heading
// opens a page. A page ends after a question to predict, so that the answer is on the next one. What
// does not fit is split: between cells, then between paragraphs or outputs. What is too wide, or too
// high alone, is scaled down, but never below SMALLEST.
const WIDTH = 1180, HEIGHT = 640, SMALLEST = 0.6;

function paginate(deck) {
  const bench = document.createElement("div");  // a page of the right size, off the screen
  bench.className = "reveal bench";
  bench.innerHTML = '<div class="slides"><section class="page"></section></div>';
  document.body.append(bench);
  const page = bench.querySelector("section");
  const fits = (nodes) => {
    page.replaceChildren(...nodes.map((node) => node.cloneNode(true)));
    return page.scrollHeight <= HEIGHT && page.scrollWidth <= WIDTH;
  };

  for (const wide of deck.querySelectorAll("table, pre")) {  // scaled, and not torn from its cell
    page.replaceChildren(wide.cloneNode(true));
    const narrow = WIDTH / (page.scrollWidth + 24);
    if (narrow < 1) wide.style.zoom = Math.max(SMALLEST, narrow);
  }
  for (const section of [...deck.children]) {
    const notes = [...section.querySelectorAll("aside.notes")];
    notes.forEach((note) => note.remove());
    const title = document.createElement("p");
    title.className = "head";
    title.textContent = section.querySelector("h1, h2")?.textContent ?? "";
    const pages = [];
    let current = [], closed = true;
    const start = () => {
      closed = false;
      pages.push(current = []);
      if (pages.length > 1) current.push(title.cloneNode(true));
    };
    const place = (unit) => {  // as a whole: here if it fits, else on a page of its own
      if (closed || !fits([...current, unit])) start();
      current.push(unit);
    };
    for (const group of groupsOf(section)) {
      if (closed || group.opens || !fits([...current, ...group.cells])) start();
      for (const cell of group.cells) {
        if (fits([...current, cell]) || fits([title, cell])) place(cell);
        else piecesOf(cell).forEach(place);
      }
      closed = group.closes;
    }
    section.replaceChildren(...pages.map((nodes) => {
      const element = document.createElement("section");
      element.className = "page";
      element.append(...nodes, ...notes.map((note) => note.cloneNode(true)));
      return element;
    }));
  }
  for (const element of deck.querySelectorAll("section.page")) shrink(element, page);
  bench.remove();
}

// A text cell with the code cells that follow it; split where a heading or a prediction stands.
function groupsOf(section) {
  const groups = [];
  for (const cell of section.children) {
    const text = cell.classList.contains("text");
    if (text || !groups.length || groups.at(-1).closes) {
      const heading = text && /^H[1-3]$/.test(cell.firstElementChild?.tagName);
      groups.push({ cells: [], opens: heading, closes: false });
    }
    groups.at(-1).cells.push(cell);
    if (text && /\bPredict\./.test(cell.querySelector("blockquote")?.textContent)) {
      groups.at(-1).closes = true;
    }
  }
  return groups;
}

// Paragraphs of a text, input and outputs of a code cell. A figure keeps its sentence, a heading
// and a line that ends in a colon what follows.
function piecesOf(cell) {
  const pieces = [];
  let sticky = false;
  for (const node of [...cell.children]) {
    const caption = node.querySelector(":scope > .caption");
    if ((sticky || caption) && pieces.length) pieces.at(-1).append(node);
    else {
      const piece = document.createElement("div");
      piece.className = cell.className;
      piece.append(node);
      pieces.push(piece);
    }
    sticky = /^H\d$/.test(node.tagName) || /:\s*$/.test(node.textContent);
  }
  return pieces;
}

function shrink(element, page) {
  const content = document.createElement("div");
  content.className = "content";
  content.append(...[...element.children].filter((node) => !node.matches("aside")));
  element.prepend(content);
  for (let zoom = 1; zoom >= SMALLEST; zoom -= 0.05) {
    content.style.zoom = zoom;
    page.replaceChildren(element.cloneNode(true).firstElementChild);
    if (page.scrollHeight <= HEIGHT && page.scrollWidth <= WIDTH) break;
  }
}

window.MathJax = {
  tex: { inlineMath: [["$", "$"], ["\\(", "\\)"]], processEscapes: true },
  options: { enableMenu: false },
  svg: { fontCache: "none" },
  startup: {
    pageReady: async () => {
      await MathJax.startup.defaultPageReady();
      await Promise.all([...document.images].map((image) => image.decode()));
      await document.fonts.ready;
      paginate(document.querySelector(".slides"));
      await Reveal.initialize({
        width: 1280, height: 720, margin: 0, center: false, hash: true, slideNumber: "c/t",
        transition: "none", plugins: [RevealNotes],
      });
    },
  },
};
