/** Splits the path of a Fastify route, and builds the path of a request. */

/** A literal piece of the path, or the name of a parameter. */
type Piece = { readonly text: string } | { readonly parameter: string }

export interface RoutePath {
  /** The names of its parameters; `*` is a wildcard. */
  readonly parameters: readonly string[]
  /** True if the last parameter is optional. */
  readonly isLastOptional: boolean
  /**
   * The path with these values, escaped. `undefined` if a value could lead to another route: an empty value,
   * or `.` or `..` as a segment.
   */
  readonly build: (values: ReadonlyMap<string, string>) => string | undefined
}

/** Parses a path like find-my-way: `:name`, `:name(regexp)`, `:from-:to`, `:name?`, a final `*`, and `::`. */
export function parsePath (path: string): RoutePath {
  const isLastOptional = /:[^/]*\?$/.test(path)
  const pieces = piecesOf(isLastOptional ? path.slice(0, -1) : path)
  const parameters = pieces.flatMap(piece => 'parameter' in piece ? [piece.parameter] : [])
  return {
    parameters,
    isLastOptional,
    build (values) {
      let built = ''
      for (const piece of pieces) {
        const text = 'text' in piece ? encodeURI(piece.text) : encoded(piece.parameter, values.get(piece.parameter))
        if (text !== undefined) built += text
        else if (isLastOptional && piece === pieces.at(-1)) built = built.replace(/\/$/, '')
        else return undefined
      }
      // URL parsers resolve these segments (WHATWG URL, §4.4), even percent-encoded.
      const leadsElsewhere = built.split('/').some(segment => /^(?:\.|%2e){1,2}$/i.test(segment))
      return leadsElsewhere ? undefined : built
    }
  }
}

/** The encoded value; `undefined` if it cannot be part of a path. A wildcard may span several segments. */
function encoded (parameter: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined
  try {
    return parameter === '*' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value)
  } catch {
    // A lone surrogate cannot be encoded.
    return undefined
  }
}

function piecesOf (path: string): Piece[] {
  const pieces: Piece[] = []
  let text = ''
  let at = 0
  const put = (piece?: Piece): void => {
    if (text !== '') pieces.push({ text })
    text = ''
    if (piece !== undefined) pieces.push(piece)
  }
  while (at < path.length) {
    const character = path[at] ?? ''
    if (path.startsWith('::', at)) {
      text += ':'
      at += 2
    } else if (character === ':') {
      const [name = ''] = /^[^(\-./]*/.exec(path.slice(at + 1)) ?? []
      put({ parameter: name })
      at += 1 + name.length
      if (path[at] === '(') at = afterParenthesis(path, at)
    } else if (character === '*') {
      put({ parameter: '*' })
      at += 1
    } else {
      text += character
      at += 1
    }
  }
  put()
  return pieces
}

/** The index after the closing parenthesis of a regular expression. */
function afterParenthesis (path: string, start: number): number {
  let depth = 0
  for (let at = start; at < path.length; at++) {
    if (path[at] === '\\') at += 1
    else if (path[at] === '(') depth += 1
    else if (path[at] === ')') {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  return path.length
}
