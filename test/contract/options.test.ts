/** docs/embedding.md lists every option of `mcpAuth` and of `buildApp`. */
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { mcpAuth } from '../../src/mcp-auth.js'

const text = readFileSync(new URL('../../docs/embedding.md', import.meta.url), 'utf8')

/** The options that the error of an unknown one lists. */
async function optionsOf (start: () => Promise<unknown>): Promise<string[]> {
  const error: unknown = await start().catch((reason: unknown) => reason)
  return /the options are (.*)$/.exec(error instanceof Error ? error.message : '')?.[1]?.split(', ') ?? []
}

function sectionOf (heading: string): string {
  return text.split(/^## /m).find(section => section.startsWith(heading)) ?? ''
}

for (const [heading, start] of [
  ['Options of `mcpAuth`', async () => { await Reflect.apply(mcpAuth, undefined, [Fastify(), { unknown: 1 }]) }],
  ['Options of `startServer`', async () => { await Reflect.apply(buildApp, undefined, [{ unknown: 1 }]) }]
] as Array<[string, () => Promise<unknown>]>) {
  t.test(`the section "${heading}" lists every option`, async t => {
    const options = await optionsOf(start)
    t.ok(options.length > 20)
    const ours = options.filter(name => !/^log(?:Level|Serializers)$/.test(name))
    const missing = ours.filter(name => !sectionOf(heading).includes(`\`${name}\``))
    t.same(missing, [])
  })
}
