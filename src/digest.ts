/** SHA-256 of a text, the fastest way this Node has. */
import * as crypto from 'node:crypto'

/** 64 hex digits. */
export function sha256 (text: string): string {
  // The one-shot form takes a third of the time, but came with Node 20.12.
  return crypto.hash?.('sha256', text, 'hex') ?? crypto.createHash('sha256').update(text).digest('hex')
}
