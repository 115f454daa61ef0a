"""How a page looks: on a screen in the light and in the dark, on a telephone and on paper."""

STYLE = """
:root {
  --ink: #1d2733; --quiet: #5a6675; --line: #d9dfe6; --paper: #ffffff; --ground: #f3f5f8; --accent: #0b6e75;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e9ef; --quiet: #a3afbd; --line: #36414e; --paper: #1b222b; --ground: #12171d; --accent: #5cc6ce;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 82rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.8rem; line-height: 1.2; }
h2 { margin: 0 0 .8rem; font-size: 1.3rem; }
h3 { margin: 1.6rem 0 .6rem; font-size: 1.05rem; }
header p { margin: .3rem 0 0; color: var(--quiet); }
a { color: var(--accent); }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1rem 0; padding: 0; list-style: none; }
main > section {
  margin: 0 0 1.2rem; padding: 1.3rem 1.5rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: 10px;
}
dl { margin: 0; display: grid; gap: .15rem 0; }
dl div { display: grid; grid-template-columns: 11rem 1fr; gap: 1rem; padding: .25rem 0; }
dl div + div { border-top: 1px solid var(--line); }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: .85rem/1.45 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; }
pre { margin: .6rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--accent); }
.wide { overflow-x: auto; }
.wide + .wide { margin-top: 1.2rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
caption { padding-bottom: .6rem; text-align: left; color: var(--quiet); }
th, td { padding: .45rem .45rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line); }
th:first-child { padding-left: 0; text-align: left; }
thead th { border-bottom: 2px solid var(--ink); font-weight: 600; }
tbody th { font-weight: 600; }
tfoot th, tfoot td { border-top: 2px solid var(--ink); border-bottom: 0; }
td small { display: block; color: var(--quiet); white-space: nowrap; font-size: .75rem; }
figure { margin: 1rem 0 0; }
figure img { display: block; max-width: 100%; height: auto; background: #ffffff; border-radius: 6px; }
figcaption { margin-top: .35rem; color: var(--quiet); font-size: .9rem; }
@media (max-width: 40rem) { body { padding: .6rem; } dl div { grid-template-columns: 1fr; gap: 0; } }
@media print {
  :root { --ink: #000000; --quiet: #444444; --line: #bbbbbb; --paper: #ffffff; --ground: #ffffff; --accent: #000000; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  nav { display: none; }
  main > section { padding: 0; border: 0; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .wide { overflow: visible; }
  table { font-size: 8.5pt; }
  td small { white-space: normal; }
}
@page { size: A4 landscape; margin: 12mm; }
"""
