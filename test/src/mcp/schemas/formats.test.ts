/** The formats of JSON Schema 2020-12, validated in linear time. */
import t from 'tap'
import { compile } from '../../../../src/mcp/schemas/compile.js'
import { formats } from '../../../../src/mcp/schemas/formats.js'

const rows: Record<string, { good: readonly string[]; bad: readonly string[] }> = {
  date: {
    good: ['2024-02-29', '2025-12-31'],
    bad: ['2025-02-29', '2025-13-01', '2025-00-10', '2025-1-1', '2025-04-31', '']
  },
  time: {
    good: ['12:00:00Z', '23:59:60Z', '23:59:59.123+00:00', '01:29:60+01:30'],
    bad: ['12:00:00', '24:00:00Z', '12:60:00Z', '12:00:60Z', '12:00:00+24:00', '12:00']
  },
  'date-time': {
    good: ['2025-01-01T00:00:00Z', '2025-01-01t00:00:00.5-08:00'],
    bad: ['2025-01-01 00:00:00Z', '2025-02-30T00:00:00Z', '2025-01-01T00:00:00', '2025-01-01']
  },
  duration: { good: ['P1Y', 'PT1S', 'P1Y2M3DT4H5M6S', 'P4W'], bad: ['P', 'PT', 'P1', '1Y', 'P1YT', 'P1W2D'] },
  email: {
    good: ['a@b', 'first.last+tag@example.com'],
    bad: ['a', '@b.c', 'a@', '.a@b.c', 'a.@b.c', 'a..b@c.d', 'a b@c.d', 'a@-b.c']
  },
  'idn-email': { good: ['jörg@müller.de', 'a@b.c'], bad: ['jörg', 'a b@c.d'] },
  hostname: {
    good: ['localhost', 'a-b.example.com'],
    bad: ['', '-a', 'a-', 'a..b', 'a_b', 'x'.repeat(64), `${'a.'.repeat(127)}a`]
  },
  'idn-hostname': { good: ['müller.de', '例え.jp'], bad: ['', 'a b', '-ü-.de.'] },
  ipv4: { good: ['127.0.0.1'], bad: ['256.0.0.1', '1.2.3', '0x7f.0.0.1', '01.2.3.4'] },
  ipv6: { good: ['::1', '2001:db8::1', '::ffff:1.2.3.4'], bad: ['1.2.3.4', '::1%eth0', ':::', 'g::'] },
  uri: {
    good: ['https://example.com/a?b#c', 'urn:a:b', 'mailto:a@b.c'],
    bad: ['/a', 'a b:c', 'http://a b', 'http://a/%zz', '1http://a', 'http://ü', ':a']
  },
  'uri-reference': { good: ['/a/b', '../x', '#f', '', 'https://a'], bad: ['\\a', 'a b', '%'] },
  iri: { good: ['https://müller.de/ü', 'urn:ä'], bad: ['/ü', 'http://a b', 'a<b'] },
  'iri-reference': { good: ['/ü', ''], bad: ['a b', '\\'] },
  uuid: {
    good: ['2eb8aa08-aa98-11ea-b4aa-73b441d16380', '2EB8AA08-AA98-11EA-B4AA-73B441D16380'],
    bad: ['2eb8aa08aa9811eab4aa73b441d16380', '2eb8aa08-aa98-11ea-b4aa-73b441d1638', '']
  },
  'uri-template': { good: ['/a/{b}', '{?x,y}', ''], bad: ['/a/{b', '/a/b}', '{{a}}', 'a b'] },
  'json-pointer': { good: ['', '/a/b', '/~0/~1'], bad: ['a', '/~', '/~2'] },
  'relative-json-pointer': { good: ['0', '1/a', '0#', '12#'], bad: ['', '/a', '-1', '01', '1a'] },
  regex: { good: ['^a+$', '\\p{L}'], bad: ['(', '[', '\\'] }
}

for (const [name, { good, bad }] of Object.entries(rows)) {
  t.test(`format ${name} accepts valid values only`, async t => {
    const check = formats[name]
    for (const text of good) t.equal(check?.(text), true, text)
    for (const text of bad) t.equal(check?.(text), false, text)
  })

  t.test(`format ${name} is validated in a schema`, async t => {
    const { check } = compile({ type: 'object', properties: { it: { type: 'string', format: name } } }, 'input')
    t.match(await check({ it: good[0] }), { ok: true })
    t.match(await check({ it: bad[bad.length - 1] }), { ok: false, problem: /must match format/ })
  })
}

t.test('exactly the formats of the specification are validated', async t => {
  t.same(Object.keys(formats).sort(), Object.keys(rows).sort())
  const { check } = compile(
    {
      type: 'object',
      properties: { it: { type: 'string', format: 'url' }, n: { type: 'integer', format: 'int32' } }
    },
    'input'
  )
  t.match(await check({ it: ':'.repeat(64 * 1024), n: 2 ** 40 }), { ok: true })
})

t.test('half a million of any character are validated in time', async t => {
  for (const check of Object.values(formats)) {
    for (const unit of [
      ':',
      '@',
      '.',
      '0',
      'a',
      '%',
      '%41',
      '{',
      '{}',
      '/',
      '~0',
      'é',
      '-',
      'P1',
      '1.',
      '[',
      '('
    ]) { check(unit.repeat(500_000 / unit.length)) }
  }
  t.pass()
})
