/** Any thrown value can be logged. */
import t from 'tap'
import { loggable } from '../../../src/log/serialize-error.js'

const trap = (): never => { throw new Error('trapped') }
const odd: Array<[string, unknown, object]> = [
  ['a string', 'x', { type: 'string', message: 'x' }],
  ['null', null, { type: 'null', message: 'null' }],
  ['undefined', undefined, { type: 'undefined', message: 'undefined' }],
  ['a symbol', Symbol('x'), { type: 'symbol', message: 'Symbol(x)' }],
  ['a proxy', new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap }), { type: 'Object', message: '' }],
  ['an object', { message: 5, code: {}, secret: 'x' }, { type: 'Object', message: '' }],
  [
    'an error with more on it',
    Object.assign(new TypeError('m'), { code: 'E', headers: { a: 1 }, stack: 's' }),
    { type: 'TypeError', message: 'm', stack: 's', code: 'E' }
  ]
]
for (const [what, error, expected] of odd) {
  t.test(`loggable serializes ${what}`, async t => {
    t.strictSame(loggable(error), expected)
    t.strictSame(loggable(loggable(error)), expected)
  })
}

t.test('loggable stops after three causes and truncates messages at 8 KiB', async t => {
  const error = new Error('x'.repeat(10_000))
  error.cause = error
  const out = loggable(error)
  t.equal(out.message.length, 8193)
  t.ok(out.cause?.cause?.cause)
  t.notOk(out.cause?.cause?.cause?.cause)
})
