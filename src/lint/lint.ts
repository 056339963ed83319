/**
 * Checks tools against the rules of directories and the needs of models. The rules of each directory are in
 * docs/publish.md; the size limits are our own.
 */
import type { JsonSchema } from '../tools/content.js'
import type { Tool, ToolAnnotations } from '../tools/tool.js'
import { isRecord } from '../lib/guards.js'
import { compileObject } from '../mcp/schemas/compile.js'

export const directories = ['claude', 'chatgpt'] as const
export type Directory = typeof directories[number]

export interface LintFinding {
  /** A constant in kebab-case, listed in docs/publish.md. */
  readonly id: string
  /** The name of the tool; `undefined` for a finding about the whole server. */
  readonly tool: string | undefined
  readonly what: string
  readonly fix: string
}

export interface LintOptions {
  /** The directory whose rules apply. Default: the rules of all directories. */
  readonly for?: Directory | undefined
  /** The largest result of a tool without its own limit, in bytes. Default 1 MiB, as for an endpoint. */
  readonly resultLimit?: number | undefined
}

const maxNameLength = 64
const maxDescriptionLength = 1024
const maxSchemaBytes = 8 * 1024
const maxResultBytes = 1024 * 1024

const hints: Readonly<Record<Directory | 'any', ReadonlyArray<keyof ToolAnnotations>>> = {
  claude: ['readOnlyHint', 'destructiveHint'],
  chatgpt: ['readOnlyHint', 'destructiveHint', 'openWorldHint'],
  any: ['readOnlyHint', 'destructiveHint', 'openWorldHint']
}

/**
 * The findings, in the order of the tools. Throws if a schema cannot be served.
 *
 * @example
 * assert.deepEqual(lintTools(tools, { for: 'claude' }), [])
 */
export function lintTools (tools: readonly Tool[], options: LintOptions = {}): LintFinding[] {
  return tools.flatMap(tool =>
    rules.flatMap(rule => rule(tool, options).map(([id, what, fix]) => ({ id, tool: tool.name, what, fix })))
  )
}

type LintRule = (tool: Tool, options: LintOptions) => ReadonlyArray<readonly [id: string, what: string, fix: string]>

const title: LintRule = ({ title, annotations }) =>
  isText(title) || isText(annotations?.title) ? [] : [['title', 'has no title', 'set a title for people']]

const missingHints: LintRule = ({ annotations = {} }, { for: directory }) => {
  const missing = hints[directory ?? 'any'].filter(hint => annotations[hint] === undefined)
  // Claude requires the hint that applies.
  const isEnough = directory === 'claude' && missing.length < hints.claude.length
  if (missing.length === 0 || isEnough) return []
  return [['hints', `does not say ${missing.join(', ')}`, 'set them in annotations, true or false']]
}

const contradiction: LintRule = ({ annotations = {} }) =>
  annotations.readOnlyHint === true && annotations.destructiveHint === true
    ? [['hints-contradict', 'has both readOnlyHint and destructiveHint set to true', 'set the one that is true']]
    : []

const name: LintRule = ({ name }) => {
  if (name.length > maxNameLength) {
    return [['name-length', `has a name of ${name.length} characters`, `use at most ${maxNameLength}`]]
  }
  return /^[a-zA-Z0-9_-]+$/.test(name)
    ? []
    : [['name-form', 'has a name that some hosts refuse', 'use letters, digits, "_" and "-"']]
}

const description: LintRule = ({ description = '' }) => {
  if (description.trim() === '') {
    return [['description', 'has no description', 'say what it does, and when to use it']]
  }
  return description.length <= maxDescriptionLength
    ? []
    : [
        [
          'description-length',
          `has a description of ${description.length} characters`,
          `use at most ${maxDescriptionLength}: it uses tokens in every conversation`
        ]
      ]
}

const schemas: LintRule = tool => {
  const wires = [wireOf(tool, 'input'), wireOf(tool, 'output')]
  const largest = Math.max(...wires.map(wire => Buffer.byteLength(JSON.stringify(wire ?? {}))))
  return largest <= maxSchemaBytes
    ? []
    : [
        [
          'schema-length',
          `has a schema of ${largest} bytes`,
          `use at most ${maxSchemaBytes}: it uses tokens in every conversation`
        ]
      ]
}

/** A tool for both reading and writing can only be allowed or confirmed as a whole. */
const catchAll: LintRule = tool => {
  const properties = wireOf(tool, 'input')?.properties
  if (!isRecord(properties)) return []
  const found = Object.entries(properties).find(
    ([key, property]) => /^(http[-_]?)?(method|verb)$/i.test(key) && isRecord(property) && isChoice(property)
  )
  if (found === undefined) return []
  return [
    [
      'catch-all',
      `takes a ${JSON.stringify(found[0])}: it reads and writes`,
      'make one tool for reading and one for writing'
    ]
  ]
}

function isChoice ({ const: only, enum: values }: Readonly<Record<string, unknown>>): boolean {
  return only === undefined && !(Array.isArray(values) && values.length < 2)
}

const results: LintRule = ({ maxResultBytes: own }, { resultLimit = maxResultBytes }) => {
  const bound = own ?? resultLimit
  return bound <= maxResultBytes
    ? []
    : [
        [
          'result-length',
          Number.isFinite(bound) ? `may return ${bound} bytes` : 'may return any number of bytes',
          `set maxResultBytes, or RESULT_LIMIT, to ${maxResultBytes} at most`
        ]
      ]
}

const rules: readonly LintRule[] = [
  title, missingHints, contradiction, name, description, schemas, catchAll, results
]

function wireOf (tool: Tool, io: 'input' | 'output'): JsonSchema | undefined {
  const schema = tool[io]
  return schema === undefined ? undefined : compileObject(schema, io).wire
}

function isText (value: string | undefined): boolean {
  return value !== undefined && value.trim() !== ''
}
