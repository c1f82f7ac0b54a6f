"""Pure: how the page looks, dark and light, on a telephone and on a wall."""

from __future__ import annotations

STYLE = """\
:root {
  --ground: #f6f7f9; --card: #fff; --text: #1b1f24; --faint: #57606a; --line: #d5dae0; --link: #0b5cad;
  --good: #116329; --bad: #b3261e; --warn: #8a5300; --draw: #1668b8; --good-ground: #dff3e4; --bad-ground: #fde7e5; --warn-ground: #fff1d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #101418; --card: #191f26; --text: #e6eaef; --faint: #a3adb8; --line: #333c46; --link: #7ab7f5;
    --good: #7ee2a0; --bad: #ff9d94; --warn: #f5c46b; --draw: #7ab7f5; --good-ground: #14311f; --bad-ground: #42191a; --warn-ground: #3a2a0d;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 76rem; padding: 0 1rem 2rem; background: var(--ground); color: var(--text);
  font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
h1 { font-size: 1.5rem; margin: 1rem 0 0; }
h2 { font-size: 1.15rem; margin: 1.6rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .2rem 0; }
#about, footer, .faint { color: var(--faint); }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; padding: .4rem .8rem; background: var(--card); z-index: 1; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
#stale { padding: .6rem .8rem; border-left: 4px solid var(--bad); background: var(--bad-ground); color: var(--text); }
#problems { margin: 0; padding: 0; list-style: none; }
#problems li { margin: .3rem 0; padding: .5rem .8rem; border-left: 4px solid var(--bad); background: var(--bad-ground); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .7rem; margin: 0; padding: 0; list-style: none; }
.cards > li, .backend { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.plain { margin: .5rem 0 0; padding: 0; list-style: none; }
.plain li { padding: .25rem 0; border-bottom: 1px solid var(--line); }
.backend { margin: 0 0 .8rem; }
.top { display: flex; flex-wrap: wrap; gap: .3rem .7rem; align-items: baseline; justify-content: space-between; }
.state { display: inline-block; padding: 0 .5rem; border-radius: 1rem; font-weight: 600; border: 1px solid currentcolor; white-space: nowrap; }
.state.good { color: var(--good); background: var(--good-ground); }
.state.bad { color: var(--bad); background: var(--bad-ground); }
.state.warn { color: var(--warn); background: var(--warn-ground); }
.spark { display: block; width: 100%; height: 2.2rem; margin-top: .3rem; }
td .spark { width: 8rem; height: 1.6rem; margin: 0; }
.spark .line { fill: none; stroke: var(--draw); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.spark .under { fill: var(--draw); opacity: .15; }
.spark .errors { fill: none; stroke: var(--bad); stroke-width: 2; vector-effect: non-scaling-stroke; }
.spark .base { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.filter label { margin-right: .4rem; }
.filter input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--faint); border-radius: .3rem; padding: .25rem .5rem; }
table { width: 100%; border-collapse: collapse; margin-top: .5rem; }
caption { text-align: left; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); vertical-align: middle; }
thead th { color: var(--faint); font-weight: 600; border-top: 0; }
tbody th { font-weight: 600; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
time { font-variant-numeric: tabular-nums; color: var(--faint); }
@media (max-width: 44rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  tbody tr { border-top: 1px solid var(--line); padding: .5rem 0; }
  th, td { border: 0; padding: .1rem 0; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--faint); }
  td .spark { width: 100%; height: 2rem; }
}
@media (forced-colors: active) { .spark .line, .spark .errors { stroke: CanvasText; } }
"""
