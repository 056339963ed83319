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

/** Characters of a text, by how the time of a match grows with them. */
const maxQuadraticLength = 10_000
const maxSteepLength = 500

/** The form of a regular expression that Ajv takes. A text that is too long for it does not match. */
export function createPattern (source: string, flags: string): Pattern {
  const expression = new RegExp(source, flags)
  const degree = degreeOf(source)
  let maxLength = Infinity
  if (degree === 2) maxLength = maxQuadraticLength
  else if (degree > 2) maxLength = maxSteepLength
  return {
    test: text => text.length <= maxLength && expression.test(text),
    toString: () => String(expression)
  }
}

/** Throws a `TypeError` where matching takes exponential time, which no bound on a text's length helps against. */
function degreeOf (source: string): number {
  // Nothing is known of what is too large to judge.
  const degree = matchingDegree(source) ?? 3
  if (degree === Infinity) {
    throw new TypeError(
      `the pattern ${source.slice(0, 200)} takes exponential time on some texts: a repetition in it holds ` +
        'another that matches the same characters; write it without one of them'
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
