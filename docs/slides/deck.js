// Cut each notebook section into pages of 1280 x 720, then let reveal.js show them.
//
// The rule: a text cell opens a page, and the code cells after it follow while they fit. A heading
// opens a page. A page ends after a question to predict, so that the answer is on the next one.
// What does not fit is split: between cells, then between paragraphs or outputs, then between the
// rows of a table or the lines of a print. What is too wide is scaled down to a type of SMALLEST
// pixels, then wrapped; a page a little too high is scaled by LEAST at the least.
const WIDTH = 1180, HEIGHT = 640, SMALLEST = 16.2, LEAST = 0.88;

function paginate(deck) {
  const bench = document.createElement("div");  // a page of the right size, off the screen
  bench.className = "reveal bench";
  bench.innerHTML = '<div class="slides"><section class="page"></section></div>';
  document.body.append(bench);
  const page = bench.querySelector("section");
  const fits = (nodes, scale = 1) => {
    page.replaceChildren(...nodes.map((node) => node.cloneNode(true)));
    unfold(page);
    return page.scrollHeight * scale <= HEIGHT && page.scrollWidth * scale <= WIDTH;
  };

  deck.querySelectorAll("table.dataframe").forEach(tidy);
  for (const wide of deck.querySelectorAll("table, pre")) {  // scaled, and not torn from its cell
    page.replaceChildren(wide.cloneNode(true));
    const narrow = WIDTH / (page.scrollWidth + 24);
    const least = SMALLEST / parseFloat(getComputedStyle(page.firstElementChild).fontSize);
    if (narrow < 1) wide.style.zoom = Math.max(least, narrow);
    wide.classList.toggle("wrapped", narrow < least);
  }
  for (const section of [...deck.children]) {
    const notes = [...section.querySelectorAll("aside.notes")];
    notes.forEach((note) => note.remove());
    const title = document.createElement("p");
    title.className = "head";
    title.textContent = section.querySelector("h1, h2")?.textContent ?? "";
    const pages = [];
    let current = [], closed = true;
    const parts = (piece) => {
      for (let n = 1, cuts; ; n++) {
        cuts = cut(piece, n);
        if (cuts.length < n || cuts.every((part) => fits([title, part], LEAST))) return cuts;
      }
    };
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
        else piecesOf(cell).flatMap(parts).forEach(place);
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

// What is folded needs its room too, for when somebody opens it on the wall.
function unfold(page) {
  page.querySelectorAll("details").forEach((folded) => { folded.open = true; });
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

// A piece as n pieces, each with its share of the table's rows or the print's lines; fewer if these
// are too few.
function cut(piece, n) {
  const long = piece.querySelector("table, pre"), total = sizeOf(long);
  if (n < 2 || total < 2 * n) return [piece];
  const even = Array.from({ length: n + 1 }, (_, i) => Math.round((i * total) / n));
  const ends = even.map((line) => breakNear(long, line));
  return ends.slice(1).map((end, i) => {
    const part = piece.cloneNode(true);
    keep(part.querySelector("table, pre"), ends[i], end);
    return part;
  });
}

const linesOf = (pre) => pre.textContent.trimEnd().split("\n");

function sizeOf(long) {
  if (!long) return 0;
  return long.matches("pre") ? linesOf(long).length : long.tBodies[0].rows.length;
}

// Of a line and the few before it, the one with the smallest indent: where a block begins, if any.
function breakNear(long, line) {
  if (long.matches("table") || line === 0 || line === sizeOf(long)) return line;
  const indent = (n) => linesOf(long)[n].match(/^ *(?=\S)/)?.[0].length ?? Infinity;
  const near = [line, line - 1, line - 2, line - 3].filter((n) => n > 0);
  return near.reduce((best, n) => (indent(n) < indent(best) ? n : best));
}

function keep(long, from, to) {
  if (long.matches("table")) {
    [...long.tBodies[0].rows].forEach((row, i) => (i < from || i >= to) && row.remove());
    return;
  }
  const range = document.createRange();
  const cutOff = (edge, line) => {
    range.selectNodeContents(long);
    range[edge](...placeOf(long, line));
    range.deleteContents();
  };
  if (to < sizeOf(long)) cutOff("setStart", to);
  if (from > 0) cutOff("setEnd", from);
}

// Where a line of a print begins: its text node and the offset in it.
function placeOf(pre, line) {
  const texts = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (let i = 0; i < texts.currentNode.length; i++) {
      if (texts.currentNode.data[i] === "\n" && --line === 0) return [texts.currentNode, i + 1];
    }
  }
}

// pandas gives the index's name a row of its own, leaves headers empty, sets words like numbers.
function tidy(table) {
  const [names, heads] = [...(table.tHead?.rows ?? [])].reverse();
  const moved = [...(heads ? names.cells : [])].filter((cell) => cell.textContent.trim());
  const above = (cell) => heads.cells[cell.cellIndex];
  if (moved.length && moved.every((cell) => above(cell)?.textContent.trim() === "")) {
    for (const cell of moved) above(cell).textContent = cell.textContent;
    names.remove();
  }
  for (const head of table.querySelectorAll("thead th")) {
    if (!head.textContent.trim()) head.replaceWith(document.createElement("td"));
  }
  if (table.querySelector("tbody [rowspan]")) return;
  const rows = [...table.tBodies[0].rows];
  for (const head of table.tHead?.rows[table.tHead.rows.length - 1]?.cells ?? []) {
    const column = rows.map((row) => row.cells[head.cellIndex]).filter(Boolean);
    const isWords = (cell) => cell.matches("th") || /^(?!nan)\D*[a-z]{2}/i.test(cell.textContent);
    if (2 * column.filter(isWords).length <= column.length) continue;
    for (const cell of [head, ...column]) cell.classList.add("words");
  }
}

function shrink(element, page) {
  const content = document.createElement("div");
  content.className = "content";
  content.append(...[...element.children].filter((node) => !node.matches("aside")));
  element.prepend(content);
  for (let zoom = 1; zoom >= LEAST; zoom -= 0.03) {
    content.style.zoom = zoom;
    page.replaceChildren(element.cloneNode(true).firstElementChild);
    unfold(page);
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
