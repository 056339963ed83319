/** The content types of tools, resources and prompts, as defined by MCP. */
import type { z } from 'zod'
import { isListOf, isRecord } from '../lib/guards.js'

/** A JSON Schema object, passed to the caller unchanged. */
export type JsonSchema = Readonly<Record<string, unknown>>
export type Schema = z.ZodObject | JsonSchema

export interface Icon {
  readonly src: string
  readonly mimeType?: string
  readonly sizes?: string[]
  readonly theme?: 'light' | 'dark'
}

/** Metadata for the client, not for its model. The rules for keys are in MCP 2025-11-25, General Fields. */
export type Meta = Readonly<Record<string, unknown>>

/** MCP content blocks, the same in every revision. */
export type Content = (
  | { type: 'text'; text: string; annotations?: Annotations }
  | { type: 'image' | 'audio'; data: string; mimeType: string; annotations?: Annotations }
  | { type: 'resource'; resource: ResourceContents; annotations?: Annotations }
  | {
    type: 'resource_link'
    uri: string
    name: string
    title?: string
    description?: string
    mimeType?: string
    annotations?: Annotations
  }
) & { _meta?: Meta }

export interface Annotations {
  audience?: Array<'user' | 'assistant'>
  priority?: number
  lastModified?: string
}

/** Has either `text` or a base64 `blob`. */
export interface ResourceContents {
  uri: string
  mimeType?: string
  text?: string
  blob?: string
  _meta?: Meta
}

/** What a tool returns. */
export interface ToolResult<S = Record<string, unknown>> {
  /** Default: the text form of `structuredContent`. */
  content?: Content[]
  /** Required if the tool has an output schema. Dropped from an error that does not match the schema. */
  structuredContent?: S
  isError?: boolean
  _meta?: Meta
}

/** True if clients can parse `value` as annotations. */
export function isAnnotations (value: unknown): boolean {
  if (!isRecord(value)) return false
  const { audience, priority, lastModified } = value
  return (audience === undefined || isListOf(audience, one => one === 'user' || one === 'assistant')) &&
    (priority === undefined || (typeof priority === 'number' && priority >= 0 && priority <= 1)) &&
    (lastModified === undefined || typeof lastModified === 'string')
}
