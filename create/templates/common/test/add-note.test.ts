import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestClient } from 'fastify-mcp-auth'
import { testApp } from './app.js'

test('add-note stores a note, and the resource lists it', async t => {
  const client = createTestClient(await testApp(t), { principal: { id: 'ada', scopes: ['notes:write'] } })
  const { structuredContent } = await client.callTool('add-note', { text: 'Buy milk' })
  assert.deepEqual(structuredContent, { count: 1 })
  assert.match(JSON.stringify(await client.readResource('notes://all')), /Buy milk/)
})

test('add-note is hidden from a caller without the scope', async t => {
  const client = createTestClient(await testApp(t), { principal: { id: 'bob' } })
  assert.ok(!(await client.listTools()).some(({ name }) => name === 'add-note'))
  await assert.rejects(client.callTool('add-note', { text: 'Buy milk' }))
})
