/** A process that writes records one by one and prints each acknowledged one. Arguments: directory, count. */
import { writeSync } from 'node:fs'
import { Ledger } from '../../src/ledger/ledger.js'
import { mintedRecord } from './state.js'

const [directory = '', count = '200'] = process.argv.slice(2)
const state = await Ledger.open({ directory })
for (let i = 0; i < Number(count); i++) {
  const minted = mintedRecord()
  await state.mint(minted)
  writeSync(1, `${minted.id}\n`)
}
await state.close()
