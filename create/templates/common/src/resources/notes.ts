/** All notes, as text. */
import { defineResource } from 'fastify-mcp-auth'
import { notes } from '../tools/add-note.js'

export const allNotes = defineResource({
  name: 'notes',
  title: 'Notes',
  uri: 'notes://all',
  mimeType: 'text/plain',
  read: () => notes.join('\n')
})
