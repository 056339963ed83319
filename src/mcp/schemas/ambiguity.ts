/**
 * Estimates the cost of matching a regular expression with backtracking, from its position
 * automaton (Glushkov), after Weideman et al., "Analyzing Matching Time Behavior of
 * Backtracking Regular Expression Matchers by Using Ambiguity of NFA" (2016).
 */
import { type Node, type Repeat, parseRegExp } from './regexp-syntax.js'
import { components } from './components.js'

interface Part {
  readonly isNullable: boolean
  readonly first: readonly number[]
  readonly last: readonly number[]
}

interface Automaton {
  /** The characters that each position matches, one bit per character class. */
  readonly sets: readonly bigint[]
  readonly follow: ReadonlyArray<ReadonlySet<number>>
  /** A step that can be taken in two ways: a repetition within a repetition. */
  readonly twice: ReadonlyArray<readonly [from: number, to: number]>
}

/** More rounds count as unbounded. */
const manyTimes = 10
/** The largest automaton that can be analysed while a server starts. */
const maxSteps = 300_000
const maxPositions = 500

/** How many ways bounded repetitions may split a text before they count as unbounded. */
const maxWays = 1e6

/**
 * The exponent of the matching time in the length of the text: 1 linear, 2 quadratic, `Infinity`
 * exponential. `undefined` if a loop of the expression is too large to analyse. `source`: of a valid expression.
 */
export function matchingDegree (source: string): number | undefined {
  const { root, inner } = parseRegExp(source)
  let degree = 1
  for (const [tree, isAnchored] of [
    [root, startsAnchored(root)],
    ...inner.map(node => [node, true] as const)
  ] as const) {
    const found = degreeOfTree(tree, isAnchored)
    if (found === undefined) return undefined
    degree = Math.max(degree, found)
  }
  return degree
}

function degreeOfTree (tree: Node, isAnchored: boolean): number | undefined {
  const isEndless = waysOf(tree) > maxWays
  const found = degreeIfTold(tree, isAnchored, isEndless)
  if (found !== undefined) return found
  // Exponential time comes from a single loop, independent of its surroundings.
  const loops = outermostLoops(tree, isEndless)
  if (loops.length === 1 && loops[0] === tree) return undefined
  const degrees = loops.map(loop => degreeIfTold(loop, true, isEndless))
  if (degrees.includes(undefined)) return undefined
  return degrees.includes(Infinity) ? Infinity : 1 + loops.length
}

function degreeIfTold (tree: Node, isAnchored: boolean, isEndless: boolean): number | undefined {
  const automaton = automatonOf(tree, isAnchored, isEndless)
  return automaton === undefined ? undefined : degreeOf(automaton)
}

/** An upper bound that ignores characters. Unbounded repetitions are left to the automaton. */
function waysOf (node: Node): number {
  if (node.kind === 'atom' || node.kind === 'empty') return 1
  if (node.kind === 'sequence') return node.parts.reduce((ways, part) => ways * waysOf(part), 1)
  if (node.kind === 'alternatives') return node.parts.reduce((ways, part) => ways + waysOf(part), 0)
  const { part, min, max } = node
  const ways = waysOf(part)
  if (max === Infinity) return ways
  return ways === 1 ? max - min + 1 : Math.max(ways ** max, max - min + 1)
}

function outermostLoops (node: Node, isEndless: boolean): readonly Node[] {
  if (node.kind === 'atom' || node.kind === 'empty') return []
  if (node.kind !== 'repeat') return node.parts.flatMap(part => outermostLoops(part, isEndless))
  return isLoop(node, isEndless) ? [node] : outermostLoops(node.part, isEndless)
}

/** Whether a repetition counts as unbounded. A fixed number of repetitions has no alternatives. */
function isLoop ({ part, min, max }: Repeat, isEndless: boolean): boolean {
  return max >= (isEndless ? 2 : manyTimes) && !(min === max && part.kind === 'atom')
}

/** Whether `node` matches the empty text, so that a repetition of it can continue without a character. */
function isNullable (node: Node): boolean {
  if (node.kind === 'empty') return true
  if (node.kind === 'atom') return false
  if (node.kind === 'repeat') return node.min === 0 || isNullable(node.part)
  return node.kind === 'sequence' ? node.parts.every(isNullable) : node.parts.some(isNullable)
}

function startsAnchored (node: Node): boolean {
  if (node.kind === 'empty') return node.isStart
  if (node.kind === 'alternatives') return node.parts.every(startsAnchored)
  return node.kind === 'sequence' && node.parts[0] !== undefined && startsAnchored(node.parts[0])
}

/** `isEndless`: all bounded repetitions count as unbounded. */
function automatonOf (root: Node, isAnchored: boolean, isEndless: boolean): Automaton | undefined {
  const sets: bigint[] = []
  const follow: Array<Set<number>> = []
  const twice: Array<readonly [number, number]> = []

  const position = (set: bigint): Part => {
    follow.push(new Set())
    const at = sets.push(set) - 1
    return { isNullable: false, first: [at], last: [at] }
  }
  const link = (last: readonly number[], first: readonly number[]): void => {
    for (const from of last) {
      for (const to of first) {
        if (follow[from]?.has(to) === true) twice.push([from, to])
        else follow[from]?.add(to)
      }
    }
  }
  const nothing: Part = { isNullable: true, first: [], last: [] }
  const then = (a: Part, b: Part): Part => {
    link(a.last, b.first)
    return {
      isNullable: a.isNullable && b.isNullable,
      first: a.isNullable ? [...a.first, ...b.first] : a.first,
      last: b.isNullable ? [...a.last, ...b.last] : b.last
    }
  }
  const optional = (part: Part): Part => ({ ...part, isNullable: true })
  const build = (node: Node): Part => {
    if (sets.length > maxPositions) return nothing
    if (node.kind === 'empty') return nothing
    if (node.kind === 'atom') return position(setOf(node.source))
    if (node.kind === 'sequence') return node.parts.reduce<Part>((built, part) => then(built, build(part)), nothing)
    if (node.kind === 'alternatives') {
      const parts = node.parts.map(build)
      return {
        isNullable: parts.some(part => part.isNullable),
        first: parts.flatMap(part => part.first),
        last: parts.flatMap(part => part.last)
      }
    }
    const { part, min, max } = node
    if (isLoop(node, isEndless)) {
      const built = build(part)
      link(built.last, built.first)
      // Each of its rounds may take a character or none.
      if (isEndless && max < Infinity && isNullable(part)) link(built.last, built.first)
      return min === 0 ? optional(built) : built
    }
    // Nested repetitions add one to the degree each; of other copies, two mandatory and two optional ones are enough.
    const most = outermostLoops(part, isEndless).length > 0 ? manyTimes : 2
    let rest = nothing
    for (let left = Math.min(max - min, most); left > 0; left--) rest = optional(then(build(part), rest))
    for (let left = Math.min(min, most); left > 0; left--) rest = then(build(part), rest)
    return rest
  }
  const whole = build(root)
  if (!isAnchored) {
    // An unanchored search tries each start, as if any text came first.
    const before = position(~0n)
    link(before.last, before.first)
    link(before.last, whole.first)
  }
  return sets.length > maxPositions ? undefined : { sets, follow, twice }
}

/** All of ASCII, and one of each other kind that character classes distinguish. */
const characters = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  'é', 'Ω', 'я', '中', '٣', '😀', '\u00a0', '\u2028', '\u0301', '\ue000'
]
const anyOther = 1n << BigInt(characters.length)

/** A bit for each of `characters` that the atom matches, and one if it may match others. */
function setOf (atom: string): bigint {
  let expression: RegExp
  try {
    expression = new RegExp(`^(?:${atom})$`, 'su')
  } catch {
    return ~0n
  }
  let set = /[^\0-\x7f]|\\[pP]|\\u(?!00[0-7])|\\x[89a-f]/iu.test(atom) ? anyOther : 0n
  for (const [bit, character] of characters.entries()) if (expression.test(character)) set |= 1n << BigInt(bit)
  return set
}

/** `undefined` if it takes too many steps. */
function degreeOf ({ sets, follow, twice }: Automaton): number | undefined {
  const loops = components(sets.map((_, at) => at), at => [...follow[at] ?? []])
  const members = new Map<number | undefined, number>()
  for (const component of loops.values()) members.set(component, (members.get(component) ?? 0) + 1)
  const loopsAt = (at: number): boolean => follow[at]?.has(at) === true || (members.get(loops.get(at)) ?? 0) > 1
  const looping = [...sets.keys()].filter(loopsAt)
  if (looping.length === 0) return 1
  if (twice.some(([from, to]) => loops.get(from) === loops.get(to) && loopsAt(from))) return Infinity
  let steps = 0
  const next = (states: readonly number[]): number[][] => {
    let tuples: Array<{ states: number[], set: bigint }> = [{ states: [], set: ~0n }]
    for (const state of states) {
      tuples = tuples.flatMap(({ states, set }) => [...follow[state] ?? []].flatMap(to => {
        steps += 1
        const both = set & (sets[to] ?? 0n)
        return both === 0n ? [] : [{ states: [...states, to], set: both }]
      }))
    }
    return tuples.map(({ states }) => states)
  }
  const size = sets.length
  const encode = (states: readonly number[]): number => states.reduce((code, state) => code * size + state, 0)
  const decode = (code: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => Math.floor(code / size ** (count - 1 - index)) % size)

  // Exponential: a state returns to itself on two paths with the same text.
  const diagonals = looping.map(at => encode([at, at]))
  const pairs = components(diagonals, code => steps > maxSteps ? [] : next(decode(code, 2)).map(encode))
  if (steps > maxSteps) return undefined
  const diagonal = new Set(diagonals.map(code => pairs.get(code)))
  for (const [code, component] of pairs) {
    const [a, b] = decode(code, 2)
    if (a !== b && diagonal.has(component)) return Infinity
  }

  // Polynomial: with one text, a state loops, moves to another state, and that one loops too.
  const goesOver = new Map<number, number[]>()
  for (const p of looping) {
    for (const q of looping) {
      if (p === q || !leadsTo([p, p, q], [p, q, q])) continue
      goesOver.set(p, [...goesOver.get(p) ?? [], q])
    }
  }
  if (steps > maxSteps) return undefined
  return 1 + Math.max(0, ...[...goesOver.keys()].map(p => longest(p, new Set())))

  function leadsTo (from: readonly number[], to: readonly number[]): boolean {
    const target = encode(to)
    const seen = new Set<number>()
    const open = [encode(from)]
    for (let code = open.pop(); code !== undefined; code = open.pop()) {
      if (steps > maxSteps) return false
      for (const states of next(decode(code, 3))) {
        const reached = encode(states)
        if (reached === target) return true
        if (!seen.has(reached)) {
          seen.add(reached)
          open.push(reached)
        }
      }
    }
    return false
  }

  function longest (p: number, above: ReadonlySet<number>): number {
    if (above.has(p)) return 0
    const below = new Set([...above, p])
    return 1 + Math.max(0, ...(goesOver.get(p) ?? []).map(q => goesOver.has(q) ? longest(q, below) : 0))
  }
}
