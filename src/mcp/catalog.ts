/** All that an endpoint offers, whatever the era: from a method and its parameters to a result. */
import { InvalidParamsError, UnknownMethodError } from '../errors.js'
import type { Tool } from '../tools/tool.js'
import type { Exchange } from './exchange.js'
import { isRecord } from './messages.js'
import type { Dialect } from './schemas.js'
import { ToolShelf } from './tool-shelf.js'

export interface ServerInfo {
  readonly name: string
  readonly version: string
  readonly title?: string
}

export interface CatalogOptions {
  readonly info: ServerInfo
  /** Told to the client's model when it connects. */
  readonly instructions?: string
  readonly tools: readonly Tool[]
}

export class Catalog {
  readonly info: ServerInfo
  readonly instructions: string | undefined
  readonly tools: ToolShelf

  constructor ({ info, instructions, tools }: CatalogOptions) {
    this.info = info
    this.instructions = instructions
    this.tools = new ToolShelf(tools)
  }

  /** What `initialize` and `server/discover` tell. */
  get capabilities (): Record<string, object> {
    return { tools: {}, logging: {} }
  }

  /** Throws a refusal where the method or its parameters do not fit. */
  async dispatch (method: string, params: Record<string, unknown>, exchange: Exchange, dialect: Dialect): Promise<Record<string, unknown>> {
    const meta = params._meta
    if (isRecord(meta)) {
      const token = meta.progressToken
      if (typeof token === 'string' || typeof token === 'number') exchange.progressToken = token
    }
    switch (method) {
      case 'tools/list':
        if (params.cursor !== undefined) throw new InvalidParamsError({ reason: 'an unknown cursor' })
        return { tools: this.tools.list(exchange.caller.principal, dialect) }
      case 'tools/call':
        return { ...await this.tools.call(params, exchange) }
      default:
        throw new UnknownMethodError()
    }
  }
}
