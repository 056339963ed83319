/** HTML templates: every value is escaped unless it is already HTML. */

/** Text that is HTML. Made by `html` alone, so that nothing gets in unescaped. */
export class Html {
  readonly text: string

  constructor (text: string) {
    this.text = text
  }
}

type Value = string | number | Html | readonly Html[] | undefined

/** `undefined` is nothing. Values stand in text or in quoted attributes, never in a script, a style or a tag's name. */
export function html (strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(strings.map((text, index) => text + textOf(values[index])).join(''))
}

function textOf (value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  return typeof value === 'object' ? value.map(one => one.text).join('') : escapeHtml(String(value))
}

/** Also what would end an attribute. */
export function escapeHtml (text: string): string {
  return text.replace(/[&<>"'`]/g, character => `&#${character.charCodeAt(0)};`)
}
