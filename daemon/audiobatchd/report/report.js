// Sorting by a click on a column's head, and a field that filters rows. All is readable without.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const text = (row, place) => row.cells[place].textContent;
  const number = (told) => Number(told.replaceAll(",", ""));
  table.querySelectorAll("thead th").forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const turned = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turned > 0 ? "ascending" : "descending");
      const rows = [...body.rows];
      const numbers = rows.every((row) => !Number.isNaN(number(text(row, place))));
      rows.sort((a, b) => turned * (numbers
        ? number(text(a, place)) - number(text(b, place))
        : text(a, place).localeCompare(text(b, place))));
      body.append(...rows);
    });
  });
  if (body.rows.length > 8) {
    const field = document.createElement("input");
    field.type = "search";
    field.className = "filter";
    field.placeholder = "Filter";
    field.setAttribute("aria-label", "Filter the rows of this table");
    field.addEventListener("input", () => {
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(field.value.toLowerCase());
    });
    table.before(field);
  }
}
