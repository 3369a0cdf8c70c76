// The look, which a program changes by the custom properties `--mailbutton-*` and the parts. Directions are those of the text, so
// that Arabic is laid out from right to left by itself.

const CSS = `
:host {
  --_ground: var(--mailbutton-background, light-dark(#fff, #17191d));
  --_raised: var(--mailbutton-raised, light-dark(#f6f7f9, #20232a));
  --_ink: var(--mailbutton-text, light-dark(#1c2128, #e8eaee));
  --_quiet: var(--mailbutton-quiet-text, light-dark(#565e6b, #a5adba));
  --_line: var(--mailbutton-border, light-dark(#dde1e7, #363b45));
  --_edge: var(--mailbutton-field-border, light-dark(#858d9a, #78818f));
  --_accent: var(--mailbutton-accent, light-dark(#2456c5, #8db1ff));
  --_accent-ink: var(--mailbutton-accent-text, light-dark(#fff, #0d1626));
  --_good: var(--mailbutton-success, light-dark(#17693c, #6fcf97));
  --_warn: var(--mailbutton-warning, light-dark(#8a5300, #f0b95b));
  --_bad: var(--mailbutton-error, light-dark(#b3261e, #ff9a92));
  --_focus: var(--mailbutton-focus, var(--_accent));
  --_radius: var(--mailbutton-radius, 8px);
  display: block;
  color: var(--_ink);
  font: var(--mailbutton-font, 1rem/1.5 system-ui, sans-serif);
}
:host(mailbutton-compose) { display: inline-block }
:host([hidden]), [hidden] { display: none !important }
* { box-sizing: border-box }
h2, p, ol, ul, dl, dd { margin: 0; padding: 0 }
h2 { font-size: 1rem; line-height: 1.5 } .title { font-size: 1.25rem; line-height: 1.3 }
form > :empty, .column > :empty { margin-block-end: -1rem }
form, .column { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr) }
.tight { gap: .375rem }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center }
.grow { flex: 1 1 14rem; min-width: 0 }
.quiet { color: var(--_quiet); font-size: .875rem }
.field { display: grid; gap: .25rem; grid-template-columns: minmax(0, 1fr) }
.field label { font-weight: 600 }
.head { display: flex; flex-wrap: wrap; gap: .5rem; align-items: baseline }
.field .note { color: var(--_quiet); font-size: .875rem; overflow-wrap: anywhere }
.field .error, .field .warning { font-size: .875rem; font-weight: 600; overflow-wrap: anywhere }
.error { color: var(--_bad) } .warning { color: var(--_warn) } .good { color: var(--_good) }
.mark::before { content: attr(data-mark) "\\2002"; font-weight: 700 }
.check { grid-template-columns: auto minmax(0, 1fr); column-gap: .625rem; align-items: start }
.check label { font-weight: 400 } .check > :not(input):not(label) { grid-column: 2 }
.required { color: var(--_quiet); font-weight: 400; font-size: .875rem }
input:not([type=checkbox]):not([type=file]), select, textarea {
  font: inherit; color: inherit; background: var(--_ground); width: 100%; min-height: 2.5rem; padding: .4375rem .75rem;
  border: 1px solid var(--_edge); border-radius: var(--_radius);
}
input[aria-invalid=true], textarea[aria-invalid=true], select[aria-invalid=true] { border-color: var(--_bad); border-width: 2px; padding: calc(.4375rem - 1px) calc(.75rem - 1px) }
::placeholder { color: var(--_quiet); opacity: 1 }
textarea { min-height: 9rem; resize: vertical }
input:not([type=checkbox]):read-only, textarea:read-only { background: var(--_raised) }
input[type=checkbox] { width: 1.25rem; height: 1.25rem; margin: .125rem 0; accent-color: var(--_accent) }
.secret { display: flex; gap: .5rem } .secret input { flex: 1; min-width: 0 }
button, .button {
  font: inherit; font-weight: 600; color: inherit; background: var(--_ground); min-height: 2.5rem; padding: .4375rem 1rem; cursor: pointer;
  border: 1px solid var(--_edge); border-radius: var(--_radius); text-decoration: none; max-width: 100%; overflow-wrap: anywhere;
}
button:hover { background: var(--_raised) }
button.main { color: var(--_accent-ink); background: var(--_accent); border-color: var(--_accent) }
button.main:hover { filter: brightness(1.08) }
button[aria-disabled=true], button[aria-disabled=true]:hover { color: var(--_quiet); background: var(--_raised); border-color: var(--_line); filter: none; cursor: default }
button.small { min-height: 2.25rem; padding: .25rem .75rem; font-size: .9375rem }
button.plain { border-color: transparent; color: var(--_accent); padding-inline: .25rem }
:focus-visible { outline: 3px solid var(--_focus); outline-offset: 2px } [tabindex="-1"]:focus-visible { outline: none }
a { color: var(--_accent); overflow-wrap: anywhere }
.box { background: var(--_raised); border: 1px solid var(--_line); border-radius: var(--_radius); padding: 1rem; overflow-wrap: anywhere }
.box.failed { border-inline-start: 4px solid var(--_bad) } .box.passed { border-inline-start: 4px solid var(--_good) } .box.warned { border-inline-start: 4px solid var(--_warn) }
ol, ul { padding-inline-start: 1.5rem; display: grid; gap: .5rem } ul.bare, ol.bare { list-style: none; padding: 0 }
li .row { margin-block-start: .5rem }
.steps li { display: flex; gap: .625rem; align-items: baseline } .steps .state { color: var(--_quiet); font-size: .875rem; margin-inline-start: auto; white-space: nowrap }
.steps .dot { width: 1rem; text-align: center; flex: none }
dl { display: grid; grid-template-columns: minmax(6rem, auto) minmax(0, 1fr); gap: .25rem 1rem } dt { color: var(--_quiet) } dd { overflow-wrap: anywhere }
.code { font: 1.25rem/1.4 ui-monospace, monospace; letter-spacing: .08em; user-select: all }
.words { font-family: ui-monospace, monospace; font-size: .875rem; white-space: pre-wrap; overflow-wrap: anywhere }
summary { cursor: pointer; font-weight: 600 } details > :not(summary) { margin-block-start: .75rem }
progress { width: 100%; height: .625rem; accent-color: var(--_accent) }
[part=result] > * { scroll-margin-block-end: 6rem }
table { border-collapse: collapse; width: 100% } th:first-child { width: 55% } td .mark { white-space: nowrap } th, td { text-align: start; padding: .5rem .75rem .5rem 0; border-block-end: 1px solid var(--_line); vertical-align: top; overflow-wrap: anywhere } th { color: var(--_quiet); font-weight: 600; font-size: .875rem }
dialog {
  color: var(--_ink); background: var(--_ground); border: 1px solid var(--_line); border-radius: calc(var(--_radius) + 4px); padding: 0;
  width: min(72rem, calc(100vw - 2rem)); max-height: calc(100dvh - 2rem); box-shadow: 0 24px 64px rgb(0 0 0 / 28%); overflow: auto; scroll-padding-block-end: 6rem;
}
dialog:not(:has(.with-paper)) { width: min(44rem, calc(100vw - 2rem)) }
dialog::backdrop { background: rgb(10 14 22 / 55%) }
.sheet { display: grid; grid-template-columns: minmax(0, 1fr) } .sheet > * { padding: 1.5rem }
.paper { background: var(--_raised); border-block-start: 1px solid var(--_line) }
.paper iframe { display: none; width: 100%; height: 100%; min-height: 32rem; border: 1px solid var(--_line); border-radius: var(--_radius); background: #fff }
.preview { width: 100%; min-height: 12rem; border: 1px solid var(--_edge); border-radius: var(--_radius); background: #fff; color-scheme: light }
.tabs { display: flex; gap: .25rem } .tabs button { border-color: transparent; min-height: 2.25rem; padding: .25rem .75rem } .tabs button[aria-pressed=true] { background: var(--_raised); border-color: var(--_edge) }
.actions { position: sticky; bottom: 0; background: var(--_ground); border-block-start: 1px solid var(--_line); margin: 0 -1.5rem -1.5rem; padding: 1rem 1.5rem }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
@media (min-width: 60rem) {
  .sheet.with-paper { grid-template-columns: minmax(0, 11fr) minmax(0, 9fr) } .paper { border-block-start: 0; border-inline-start: 1px solid var(--_line) }
  .paper iframe { display: block }
}
@media (max-width: 30rem) {
  dialog { width: calc(100vw - 1rem) !important } .sheet > * { padding: 1rem } .actions { margin: 0 -1rem -1rem; padding: .75rem 1rem } .box { padding: .75rem }
  table { table-layout: fixed; font-size: .875rem } th, td { padding-inline-end: .25rem } td .mark { white-space: normal } td .mark::before { content: attr(data-mark) " " }
}
@media (prefers-reduced-motion: no-preference) {
  button { transition: background-color .12s, filter .12s }
  .running .dot { animation: turn 1s linear infinite } @keyframes turn { to { rotate: 1turn } }
}
@media (forced-colors: active) { .box { border-width: 2px } button.main { border: 2px solid } }
`;

let sheet: CSSStyleSheet | undefined;

/** One for all elements of a page. */
export function style(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
