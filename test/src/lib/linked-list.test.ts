/** A linked list: in the order of addition, and members leave from anywhere. */
import t from 'tap'
import { LinkedList } from '../../../src/lib/linked-list.js'

t.test('a list keeps the order of addition while members leave and come', async t => {
  const list = new LinkedList<string>()
  t.equal(list.first, undefined)
  const [a, b, c] = ['a', 'b', 'c'].map(value => list.add(value))
  b?.remove()
  t.same([...list], ['a', 'c'])
  a?.remove()
  t.equal(list.first, c)
  list.add('d')
  c?.remove()
  t.same([...list], ['d'])
  list.first?.remove()
  t.equal(list.first, undefined)
  t.same([...list], [])
})

t.test('a member that leaves twice takes nobody with it', async t => {
  const list = new LinkedList<string>()
  const place = list.add('a')
  place.remove()
  list.add('b')
  place.remove()
  list.add('c')
  t.same([...list], ['b', 'c'])
})
