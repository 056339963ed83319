/** Formats the difference between two sets of tool definitions. */
import { type Lock, type Pinned, pinnedMembers } from './lock.js'

/**
 * Returns a block of lines for each tool that was added (`+`), removed (`-`) or changed (`~`, with the old
 * and the new members). Empty if nothing changed.
 */
export function difference (before: Lock, after: Lock): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap(upstream => {
    const [old = {}, now = {}] = [own(before, upstream), own(after, upstream)]
    return [...new Set([...Object.keys(old), ...Object.keys(now)])].sort().flatMap(tool => {
      const title = printable(`${upstream}: ${tool}`)
      const [was, is] = [own(old, tool), own(now, tool)]
      if (was === undefined && is !== undefined) return [`+ ${title}`, ...descriptionOf(is.definition)]
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

/** The description of a new tool, because models read it. */
function descriptionOf ({ description }: Pinned): string[] {
  return description === undefined ? [] : [`    + ${printable(JSON.stringify(description))}`]
}

/** Own properties only, because a tool may be called `constructor` or `__proto__`. */
function own<T> (record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/**
 * Escapes control characters and direction marks: the text is the upstream's and goes to a terminal
 * (spoofing).
 */
function printable (text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  )
}
