/** The options of the server, for src/server.ts and the tests. */
import { allNotes } from './resources/notes.js'
import { tools } from './tools/index.js'

export const options = {
  info: { name: 'my-server', version: '0.1.0', title: 'my-server' },
  tools,
  resources: [allNotes]
}
