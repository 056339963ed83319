/** The tools of this server. */
import { addNote } from './add-note.js'
import { greet } from './greet.js'

export const tools = [greet, addNote]
