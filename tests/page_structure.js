// What a screen reader relies on, as a list of faults.
const faults = [];
const all = (selector) => [...document.querySelectorAll(selector)];

function must(elements, holds, fault) {
  for (const e of elements) if (!holds(e)) faults.push(`${fault}: ${e.outerHTML.slice(0, 100)}`);
}

function label(e) {
  const ids = (e.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
  const named = ids.map((id) => document.getElementById(id));
  if (named.some((other) => other === null)) faults.push(`label of nothing: ${ids}`);
  return (e.getAttribute("aria-label") || named.map((other) => other?.textContent).join(" ")).trim();
}

if (document.documentElement.lang !== "en") faults.push("no language");
for (const one of ["body > main", "body > header", "body > footer", "body > header nav", "h1"]) {
  if (all(one).length !== 1) faults.push(`${all(one).length} of ${one}`);
}
// The dialog's name is the figure's, once it is open.
must(all("nav, section, article, [role=region], .chips, .downloads"), label, "no name");

const headings = all("h1, h2, h3, h4, h5, h6");
must(headings, (e) => e.textContent.trim(), "empty heading");
headings.forEach((e, place) => {
  const above = place ? Number(headings[place - 1].tagName[1]) : 0;
  if (Number(e.tagName[1]) > above + 1) faults.push(`skips a level: ${e.outerHTML.slice(0, 100)}`);
});

must(all("main img"), (e) => e.alt.trim(), "no alternative");
must(all("th"), (e) => e.scope, "no scope");
must(all("table"), (e) => e.querySelector("th"), "no headers");
must(all("a[href], button, summary"), (e) => label(e) || e.textContent.trim(), "no name");
must(all("pre, .scroll"), (e) => e.tabIndex === 0, "scrolls without a keyboard");
must(all("svg"), (e) => e.getAttribute("aria-hidden") === "true", "read aloud");
// On a phone these are no longer laid out as a table, and browsers would drop what they are.
const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell" };
for (const [tag, role] of Object.entries(roles)) {
  must(all(`table.board, .board ${tag}`).filter((e) => e.localName === tag), (e) => e.getAttribute("role") === role, "no role");
}
const ids = all("[id]").map((e) => e.id);
for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) faults.push(`two of id ${id}`);
return faults;
