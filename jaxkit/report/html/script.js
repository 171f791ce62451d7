"use strict";
(() => {
  const page = document.querySelector(".jaxkit");
  const search = document.getElementById("search");
  const status = document.getElementById("status");
  const rows = [...page.querySelectorAll(".row")];
  const boxes = [...page.querySelectorAll(".graph g")];
  const folds = [...page.querySelectorAll("details")];
  const start = folds.map((fold) => fold.open);
  page.querySelector(".tools").hidden = false;

  const clear = () => {
    for (const node of page.querySelectorAll(".match, .hide, .chosen"))
      node.classList.remove("match", "hide", "chosen");
  };

  // Shows the rows for which it is true, and what they stand in; all of them for null.
  const show = (wanted, what) => {
    clear();
    if (!wanted) {
      folds.forEach((fold, i) => (fold.open = start[i]));
      status.textContent = "";
      return;
    }
    const keep = new Set();
    let count = 0;
    for (const row of rows) {
      if (!wanted(row)) continue;
      count += 1;
      row.classList.add("match");
      for (let node = row; node && node !== page; node = node.parentElement) keep.add(node);
      if (row.tagName === "SUMMARY") for (const below of row.parentElement.querySelectorAll(".row, details")) keep.add(below);
    }
    for (const row of rows) if (row.tagName !== "SUMMARY") row.classList.toggle("hide", !keep.has(row));
    for (const fold of folds) {
      fold.classList.toggle("hide", !keep.has(fold));
      if (fold.querySelector(".match") && fold.querySelector(":scope > .inside .match")) fold.open = true;
    }
    for (const box of boxes) box.classList.toggle("match", wanted(box));
    status.textContent = `${count} ${count === 1 ? "match" : "matches"}${what}`;
  };

  const find = () => {
    const text = search.value.trim().toLowerCase();
    show(text ? (row) => row.textContent.toLowerCase().includes(text) : null, "");
  };
  search.addEventListener("input", find);
  search.form.addEventListener("submit", (event) => event.preventDefault());

  const choose = (line) => {
    const again = line.classList.contains("chosen");
    search.value = "";
    if (again) return show(null);
    const wanted = line.dataset.show;
    show((row) => row.dataset.line === wanted, ` on line ${wanted.slice(wanted.lastIndexOf(":") + 1)}`);
    line.classList.add("chosen");
    const first = page.querySelector(".tree .match");
    if (first) first.scrollIntoView({ block: "center" });
  };
  for (const line of page.querySelectorAll("[data-show]")) {
    line.addEventListener("click", () => choose(line));
    line.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(line);
    });
  }

  const all = (open) => folds.forEach((fold) => (fold.open = open));
  document.getElementById("unfold").addEventListener("click", () => all(true));
  document.getElementById("fold").addEventListener("click", () => all(false));

  // Up and down go through what is visible, left and right fold and unfold, as in a file list.
  const visible = () => [...page.querySelectorAll("summary.row, .leaf.row")].filter((row) => row.offsetParent);
  const arrows = (event, row) => {
    const fold = row.tagName === "SUMMARY" ? row.parentElement : null;
    if (event.key === "ArrowRight" && fold && !fold.open) fold.open = true;
    else if (event.key === "ArrowLeft" && fold && fold.open) fold.open = false;
    else if (event.key === "ArrowLeft") {
      const above = (fold || row).parentElement.closest("details");
      if (above) above.firstElementChild.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp" || event.key === "ArrowRight") {
      const list = visible();
      const next = list[list.indexOf(row) + (event.key === "ArrowUp" ? -1 : 1)];
      if (next) next.focus();
    } else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", (event) => {
    const row = event.target.closest && event.target.closest(".tree .row");
    if (row) arrows(event, row);
    if (event.key === "/" && event.target !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape") {
      search.value = "";
      show(null);
    }
  });
})();
