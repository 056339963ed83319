/** A linked list that keeps the order of addition and removes members anywhere. */
import t from 'tap'
import { LinkedList } from '../../../src/lib/linked-list.js'

t.test('a list keeps the order of addition while members are added and removed', async t => {
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

t.test('removing a member twice affects no other member', async t => {
  const list = new LinkedList<string>()
  const place = list.add('a')
  place.remove()
  list.add('b')
  place.remove()
  list.add('c')
  t.same([...list], ['b', 'c'])
})
