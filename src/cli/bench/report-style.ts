/**
 * How the report looks, on a light and on a dark screen, and on paper.
 */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2128; --faint: #57606a; --line: #d5dae0; --page: #fff; --panel: #f6f8fa }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --faint: #9aa4af; --line: #353c45; --page: #14181d; --panel: #1c2229 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
h1 { font-size: 1.7rem; margin: 0 0 1rem; overflow-wrap: anywhere }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem }
h3 { font-size: 1.1rem; margin: 2rem 0 .25rem }
h4 { font-size: 1rem; margin: 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0 }
dt { color: var(--faint) }
dd { margin: 0; overflow-wrap: anywhere; max-height: 6em; overflow: auto }
.notes { margin: 1.25rem 0 0; padding: .75rem 1rem .75rem 2rem; border-left: 4px solid #d55e00; background: var(--panel) }
.legend, figure p { color: var(--faint); font-size: .9rem; margin: .5rem 0 1rem }
.sentence { font-size: 1.05rem; margin: .25rem 0 1rem; padding: .6rem 1rem; border-left: 4px solid #d55e00; background: var(--panel) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
tbody th { text-align: left; font-weight: 400 }
thead th { font-weight: 600 }
th i { display: inline-block; width: .7em; height: .7em; margin-right: .45em; border-radius: 2px }
figure { margin: 1.5rem 0; padding: 1rem 1.25rem; border: 1px solid var(--line); border-radius: 8px; break-inside: avoid }
figure p { margin: .1rem 0 .75rem }
svg { display: block; height: auto }
`
