"use strict";

/* Sorts a table by the column whose heading is pressed; a second press reverses the order. Missing figures stay last. */

const exact = (cell) => {
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text.startsWith("–") ? null : text;
};

const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));

const sort = (table, head) => {
  const place = [...head.parentElement.children].indexOf(head);
  const isText = head.classList.contains("text");
  const before = head.getAttribute("aria-sort");
  const falls = before === null ? !isText && head.dataset.key !== "rank" : before === "ascending";
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: exact(row.cells[place]) }));
  const there = rows.filter((at) => at.value !== null);
  there.sort((a, b) => (falls ? -1 : 1) * compare(a.value, b.value));
  body.append(...there.map((at) => at.row), ...rows.filter((at) => at.value === null).map((at) => at.row));
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falls ? "descending" : "ascending");
};

for (const table of document.querySelectorAll("section.table table")) {
  if (table.tBodies[0].rows.length < 2) continue;
  for (const head of table.tHead.rows[table.tHead.rows.length - 1].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}
