/** Builds the name and version of the server from its settings. */
import type { Config } from '../config/load.js'
import { defaultInfo } from '../http/server-info.js'
import type { ServerInfo } from '../mcp/catalog/catalog.js'

export function infoOf ({ SERVER_NAME, SERVER_TITLE, SERVER_DESCRIPTION, SERVER_VERSION }: Config): ServerInfo {
  return {
    name: SERVER_NAME ?? defaultInfo.name,
    version: SERVER_VERSION ?? defaultInfo.version,
    ...(SERVER_TITLE === undefined ? {} : { title: SERVER_TITLE }),
    ...(SERVER_DESCRIPTION === undefined ? {} : { description: SERVER_DESCRIPTION })
  }
}
