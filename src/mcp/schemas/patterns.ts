/**
 * Makes the regular expressions of `pattern` safe: exponential ones are refused, the others are only applied to texts
 * that they can match quickly.
 */
import { isRecord } from '../../lib/guards.js'
import { matchingDegree } from './ambiguity.js'
import { mapSchemas } from './subschemas.js'

interface Pattern {
  test: (text: string) => boolean
  toString: () => string
}

/** The largest number of steps for matching a text. */
const maxTries = 2e7
const maxQuadraticLength = 10_000

/** The interface of a regular expression for Ajv. A text that is too long does not match. */
export function createPattern (source: string, flags: string): Pattern {
  const expression = new RegExp(source, flags)
  const maxLength = maxLengthFor(degreeOf(source))
  return {
    test: text => text.length <= maxLength && expression.test(text),
    toString: () => String(expression)
  }
}

/** The maximum length in characters. It bounds the ways to split a text between `degree` repetitions. */
function maxLengthFor (degree: number): number {
  if (degree < 2) return Infinity
  if (degree === 2) return maxQuadraticLength
  let length = 0
  for (let ways = 1; ways <= maxTries; length++) ways *= (length + 1 + degree) / (length + 1)
  return length
}

/** Throws a `TypeError` if matching takes exponential time; no bound on the length of a text helps then. */
function degreeOf (source: string): number {
  const degree = matchingDegree(source)
  const shown = source.slice(0, 200)
  if (degree === undefined) {
    throw new TypeError(`the pattern ${shown} has a repetition that is too large to analyse; split it into several`)
  }
  if (degree === Infinity) {
    throw new TypeError(
      `the pattern ${shown} takes exponential time on some texts: a repetition contains another one that ` +
        'matches the same characters, or nothing; remove one of them'
    )
  }
  return degree
}

/**
 * Checks the patterns of a zod object, like those of a JSON Schema. The
 * patterns of its formats come from zod itself.
 */
export function requireSafePatterns (schema: unknown): void {
  mapSchemas(schema, part => {
    if (typeof part.pattern === 'string' && part.format === undefined) degreeOf(part.pattern)
    if (isRecord(part.patternProperties)) for (const source of Object.keys(part.patternProperties)) degreeOf(source)
    return part
  })
}
