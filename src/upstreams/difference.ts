/** The difference between two sets of definitions, as readable lines. */
import { type Lock, type Pinned, pinnedMembers } from './lock.js'

/**
 * One block a tool: `+` came, `-` went, `~` changed with the old and the new member beneath. Empty where
 * nothing changed.
 */
export function difference (before: Lock, after: Lock): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap(upstream => {
    const [old = {}, now = {}] = [own(before, upstream), own(after, upstream)]
    return [...new Set([...Object.keys(old), ...Object.keys(now)])].sort().flatMap(tool => {
      const title = printable(`${upstream}: ${tool}`)
      const [was, is] = [own(old, tool), own(now, tool)]
      if (was === undefined && is !== undefined) return [`+ ${title}`, ...said(is.definition)]
      if (was === undefined || is === undefined) return [`- ${title}`]
      return was.digest === is.digest ? [] : [`~ ${title}`, ...members(was.definition, is.definition)]
    })
  })
}

function members (was: Pinned, is: Pinned): string[] {
  return pinnedMembers.flatMap(member => {
    const [old, now] = [JSON.stringify(was[member]) ?? '(none)', JSON.stringify(is[member]) ?? '(none)']
    return old === now ? [] : [`    ${member}`, `    - ${printable(old)}`, `    + ${printable(now)}`]
  })
}

/** What a model will read of a tool that is new. */
function said ({ description }: Pinned): string[] {
  return description === undefined ? [] : [`    + ${printable(JSON.stringify(description))}`]
}

/** Names such as `constructor` and `__proto__` are names like others. */
function own<T> (record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/** A definition is the upstream's own text: no control or direction character of it reaches a terminal. */
function printable (text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  )
}
