/**
 * The regular expressions of `pattern`: those that may take a lifetime are refused, the rest gets texts
 * that it can match in a moment.
 */
import { isRecord } from '../../lib/guards.js'
import { matchingDegree } from './ambiguity.js'
import { mapSchemas } from './subschemas.js'

interface Pattern {
  test: (text: string) => boolean
  toString: () => string
}

/** How often a matcher may try a text again. */
const maxTries = 2e7
const maxQuadraticLength = 10_000

/** The form of a regular expression that Ajv takes. A text that is too long for it does not match. */
export function createPattern (source: string, flags: string): Pattern {
  const expression = new RegExp(source, flags)
  const maxLength = maxLengthFor(degreeOf(source))
  return {
    test: text => text.length <= maxLength && expression.test(text),
    toString: () => String(expression)
  }
}

/** In characters. `degree` repetitions in a row share out a text in as many ways as there are combinations. */
function maxLengthFor (degree: number): number {
  if (degree < 2) return Infinity
  if (degree === 2) return maxQuadraticLength
  let length = 0
  for (let ways = 1; ways <= maxTries; length++) ways *= (length + 1 + degree) / (length + 1)
  return length
}

/** Throws a `TypeError` where matching takes exponential time, which no bound on a text's length helps against. */
function degreeOf (source: string): number {
  const degree = matchingDegree(source)
  const shown = source.slice(0, 200)
  if (degree === undefined) {
    throw new TypeError(`the pattern ${shown} has a repetition that is too large to judge; write it as several`)
  }
  if (degree === Infinity) {
    throw new TypeError(
      `the pattern ${shown} takes exponential time on some texts: a repetition in it holds another that ` +
        'matches the same characters, or nothing; write it without one of them'
    )
  }
  return degree
}

/**
 * Throws as a `pattern` that is compiled would, for the schema that callers see of a zod object. The
 * patterns of its formats are zod's own.
 */
export function requireSafePatterns (schema: unknown): void {
  mapSchemas(schema, part => {
    if (typeof part.pattern === 'string' && part.format === undefined) degreeOf(part.pattern)
    if (isRecord(part.patternProperties)) for (const source of Object.keys(part.patternProperties)) degreeOf(source)
    return part
  })
}
