/** The strongly connected components of a directed graph (Tarjan, 1972). */

interface NodeVisit {
  readonly node: number
  readonly below: readonly number[]
  next: number
}

/** The component of each node reachable from `starts`; nodes of the same component can reach each other. */
export function components (
  starts: readonly number[],
  follow: (node: number) => readonly number[]
): Map<number, number> {
  const order = new Map<number, number>()
  const low = new Map<number, number>()
  const found = new Map<number, number>()
  const open: number[] = []
  let count = 0

  const enter = (node: number): NodeVisit => {
    order.set(node, order.size)
    low.set(node, order.size - 1)
    open.push(node)
    return { node, below: follow(node), next: 0 }
  }
  const lower = (node: number, to: number): void => {
    low.set(node, Math.min(low.get(node) ?? to, to))
  }

  for (const start of starts) {
    if (order.has(start)) continue
    // Not recursive: a graph may be a path of a hundred thousand nodes.
    const path = [enter(start)]
    for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
      const { node, below } = visit
      const to = below[visit.next++]
      if (to !== undefined) {
        if (!order.has(to)) path.push(enter(to))
        else if (!found.has(to)) lower(node, order.get(to) ?? 0)
        continue
      }
      path.pop()
      const parent = path.at(-1)
      if (parent !== undefined) lower(parent.node, low.get(node) ?? 0)
      if (low.get(node) !== order.get(node)) continue
      for (let member = open.pop(); member !== undefined; member = open.pop()) {
        found.set(member, count)
        if (member === node) break
      }
      count += 1
    }
  }
  return found
}
