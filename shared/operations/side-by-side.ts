/**
 * Works through items in their order, several at a time, for as long as `goesOn`. After each it tells how
 * many are done from the first one on without a gap. A failure of `work` lets what is under way come to its
 * end, begins nothing more, and is thrown.
 */
export async function sideBySide<Item>(
  items: readonly Item[],
  {
    lanes,
    goesOn,
    work,
    onDone = async () => undefined,
  }: {
    lanes: number
    goesOn: () => boolean
    work: (item: Item) => Promise<void>
    onDone?: (doneInARow: number) => Promise<void>
  },
): Promise<void> {
  const done = new Set<number>()
  let begun = 0
  let doneInARow = 0
  let failure: { error: unknown } | undefined
  const lane = async () => {
    while (begun < items.length && !failure && goesOn()) {
      const number = begun++
      try {
        await work(items[number]!)
        done.add(number)
        while (done.delete(doneInARow)) doneInARow++
        await onDone(doneInARow)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane))
  if (failure) throw failure.error
}
