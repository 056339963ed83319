/** The key file and the file of last uses pass the contracts of their ports. */
import { join } from 'node:path'
import t from 'tap'
import { KeyFileSource } from '../../../src/api-keys/key-file-source.js'
import { usageInFile } from '../../../src/api-keys/last-use.js'
import { keySourceContract, usageContract } from '../../support/contracts/key-source.js'
import { directory, keyFile } from '../../support/keys.js'

const onDanger = (): void => {}

t.test('keys in a file', async t => {
  await keySourceContract(t, async () => {
    const options = { path: await keyFile(t), pollMs: 10, onDanger }
    return [new KeyFileSource(options), new KeyFileSource(options)]
  })
})

t.test('last uses in a file', async t => {
  await usageContract(t, async () => {
    const path = join(await directory(t), 'api-keys.json.used')
    return [usageInFile(path), usageInFile(path)]
  })
})
