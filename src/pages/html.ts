/** HTML templates: every value is escaped unless it is already HTML. */

/** HTML text. Created only by `html`, so that every value in it is escaped. */
export class Html {
  readonly text: string

  constructor (text: string) {
    this.text = text
  }
}

type Value = string | number | Html | readonly Html[] | undefined

/**
 * `undefined` becomes an empty text. Use values only in text and quoted attributes, not in scripts or styles.
 */
export function html (strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(strings.map((text, index) => text + textOf(values[index])).join(''))
}

function textOf (value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  return typeof value === 'object' ? value.map(one => one.text).join('') : escapeHtml(String(value))
}

/** Escapes quotes as well, because values may be in attributes. */
function escapeHtml (text: string): string {
  return text.replace(/[&<>"'`]/g, character => `&#${character.charCodeAt(0)};`)
}
