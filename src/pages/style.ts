/** The style sheet of the pages: system fonts, light and dark, no external assets. */
import { createHash } from 'node:crypto'

export const style = `
:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --card: #ffffff; --line: #dfe3e8; --text: #1b2430; --quiet: #5a6573;
  --accent: #1f5fbf; --accent-text: #ffffff; --accent-deep: #194f9f; --wash: #f3f6fb;
  --warn: #8a4b00; --warn-ground: #fff6e6; --warn-line: #f0d9ae;
  --bad: #a51d2d; --bad-ground: #fdf0f1; --bad-line: #f0c4c9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161c; --card: #1a2029; --line: #303947; --text: #e7ebf0; --quiet: #a3aebb;
    --accent: #8ab4f8; --accent-text: #0d1b2f; --accent-deep: #a9c8fb; --wash: #202833;
    --warn: #f5c879; --warn-ground: #2c2416; --warn-line: #574522;
    --bad: #ffb1b8; --bad-ground: #321b1f; --bad-line: #67343b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center; justify-content: center;
  padding: 1.5rem 1rem; background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main {
  width: 100%; max-width: 31rem; padding: 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 14px;
  box-shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 12px 32px -16px rgb(16 24 40 / 18%);
}
.place {
  display: flex; align-items: center; gap: .5rem; margin: 0 0 1.1rem; color: var(--quiet); font-size: .9rem;
  overflow-wrap: anywhere;
}
.place svg { flex: none; width: 1.1rem; height: 1.1rem; }
h1 {
  margin: 0 0 .6rem; font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em;
  overflow-wrap: anywhere;
}
p { margin: 0 0 1rem; }
p.lead { color: var(--quiet); }
strong { font-weight: 600; color: var(--text); overflow-wrap: anywhere; }
dl { margin: 1.25rem 0; border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
dl > div { display: grid; grid-template-columns: 6.25rem 1fr; gap: .15rem 1rem; padding: .7rem .9rem; }
dl > div + div { border-top: 1px solid var(--line); }
dt { color: var(--quiet); font-size: .9rem; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dd small { display: block; color: var(--quiet); font-size: .82rem; line-height: 1.45; }
ul.scopes { list-style: none; margin: .15rem 0 .2rem; padding: 0; display: flex; flex-wrap: wrap; gap: .35rem; }
ul.scopes li {
  padding: .05rem .5rem; border: 1px solid var(--line); border-radius: 6px; background: var(--wash);
  font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere;
}
.tag {
  display: inline-block; margin-left: .15rem; padding: 0 .45rem; border: 1px solid var(--warn-line);
  border-radius: 99px; background: var(--warn-ground); color: var(--warn); font-size: .75rem;
  line-height: 1.5; vertical-align: .08em; white-space: nowrap;
}
.note {
  margin: 1rem 0; padding: .7rem .9rem; border: 1px solid var(--warn-line); border-radius: 10px;
  background: var(--warn-ground); color: var(--warn); font-size: .92rem;
}
.note strong { color: inherit; }
.note.bad { border-color: var(--bad-line); background: var(--bad-ground); color: var(--bad); }
label { display: block; margin: 0 0 .35rem; font-weight: 600; }
input[type=password] {
  width: 100%; padding: .65rem .75rem; border: 1px solid var(--quiet); border-radius: 9px;
  background: var(--card); color: var(--text);
  font: 1rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
input[aria-invalid=true] { border-color: var(--bad); }
.hint { margin: .45rem 0 0; color: var(--quiet); font-size: .88rem; }
.actions { display: flex; flex-direction: row-reverse; gap: .6rem; margin-top: 1.5rem; }
button {
  flex: 1; padding: .7rem 1rem; border: 1px solid var(--line); border-radius: 9px; background: transparent;
  color: var(--text);
  font: inherit; font-weight: 600; cursor: pointer;
}
button.main { border-color: var(--accent); background: var(--accent); color: var(--accent-text); }
button:hover { background: var(--wash); }
button.main:hover { background: var(--accent-deep); border-color: var(--accent-deep); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.away { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
footer {
  max-width: 31rem; text-wrap: balance; margin: 1rem 0 0; color: var(--quiet); font-size: .82rem;
  text-align: center;
}
@media (max-width: 26rem) {
  body { padding: 0; justify-content: flex-start; background: var(--card); }
  main { padding: 1.4rem 1.1rem; border: 0; border-radius: 0; box-shadow: none; }
  dl > div { grid-template-columns: 1fr; }
  .actions { flex-direction: column; }
  footer { padding: 0 1.1rem 1.4rem; }
}
@media (forced-colors: active) { button { border-color: ButtonText; } }
`

/** The `style-src` of the Content-Security-Policy: only this style sheet. */
export const styleSource = `'sha256-${createHash('sha256').update(style).digest('base64')}'`
