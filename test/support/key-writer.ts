/**
 * A process that adds keys to a file one by one and prints each id when the key is on disk:
 * `key-writer.ts <file> <count>`.
 */
import { createKey } from '../../src/api-keys/changes.js'
import { changeKeyFile } from '../../src/api-keys/file.js'

const [path = '', count = '0'] = process.argv.slice(2)
process.stdout.write('ready\n')
for (let i = 0; i < Number(count); i++) {
  const { record } = await changeKeyFile(path, records => createKey(records, { name: `of ${process.pid}` }), {
    create: true
  })
  process.stdout.write(`${record.id}\n`)
}
