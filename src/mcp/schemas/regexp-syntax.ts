/** Parses regular expressions (ECMA-262) into the parts that matter for the cost of matching. */

export type Node =
  /** Matches one character: a literal, a class, an escape. */
  | { readonly kind: 'atom', readonly source: string }
  | { readonly kind: 'sequence', readonly parts: readonly Node[] }
  | { readonly kind: 'alternatives', readonly parts: readonly Node[] }
  | Repeat
  /** Matches no character: an assertion, or a back reference. */
  | { readonly kind: 'empty', readonly isStart: boolean }

export interface Repeat { readonly kind: 'repeat', readonly part: Node, readonly min: number, readonly max: number }

export interface Syntax {
  readonly root: Node
  /** The contents of lookarounds, each matched separately. */
  readonly inner: readonly Node[]
}

const empty: Node = { kind: 'empty', isStart: false }

/** `source`: of a valid expression; the tree of an invalid one is meaningless. */
export function parseRegExp (source: string): Syntax {
  const inner: Node[] = []
  let at = 0

  /** Consumes the text that `pattern` (sticky) matches here. */
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(source) ?? undefined
    if (found !== undefined) at += found[0].length
    return found
  }

  function alternatives (): Node {
    const parts = [sequence()]
    while (take(/\|/y) !== undefined) parts.push(sequence())
    return parts.length === 1 ? parts[0] ?? empty : { kind: 'alternatives', parts }
  }

  function sequence (): Node {
    const parts: Node[] = []
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(repeated(single()))
    return { kind: 'sequence', parts }
  }

  function repeated (part: Node): Node {
    const found = take(/(?:([*+?])|\{(\d+)(,(\d*))?\})\??/y)
    if (found === undefined) return part
    const [, sign, least, comma, most] = found
    if (sign !== undefined) return { kind: 'repeat', part, min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Infinity }
    const min = Number(least)
    if (comma === undefined) return { kind: 'repeat', part, min, max: min }
    return { kind: 'repeat', part, min, max: most === '' ? Infinity : Number(most) }
  }

  function single (): Node {
    if (take(/\^/y) !== undefined) return { kind: 'empty', isStart: true }
    if (take(/\$|\\[bB]|\\k<[^>]*>|\\[1-9]\d*/y) !== undefined) return empty
    const isLookaround = take(/\(\?<?[=!]/y) !== undefined
    if (isLookaround || take(/\((?:\?(?:<[^>]*>|[a-z-]*:))?/y) !== undefined) {
      const group = alternatives()
      take(/\)/y)
      if (!isLookaround) return group
      inner.push(group)
      return empty
    }
    const atom = take(/\[(?:\\.|[^\]\\])*\]|\\u\{[^}]*\}|\\u[\da-f]{4}|\\x[\da-f]{2}|\\[pP]\{[^}]*\}|\\c.|\\.|./isyu)
    if (atom !== undefined) return { kind: 'atom', source: atom[0] }
    at += 1
    return empty
  }

  const parts: Node[] = []
  // An invalid expression may end early; the loop continues so that it terminates.
  while (at < source.length) {
    parts.push(alternatives())
    if (at < source.length) at += 1
  }
  return { root: parts.length === 1 ? parts[0] ?? empty : { kind: 'sequence', parts }, inner }
}
