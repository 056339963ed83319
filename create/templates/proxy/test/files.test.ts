import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestClient } from 'fastify-mcp-auth'
import { testApp } from './app.js'

test('a caller can list the files of the upstream server', async t => {
  const client = createTestClient(await testApp(t), { principal: { id: 'ada' } })
  const { text } = await client.callTool('list_directory', { path: '.' })
  assert.match(text, /hello\.txt/)
})
