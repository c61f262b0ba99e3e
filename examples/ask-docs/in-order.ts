/**
 * Works on several items of a stream at a time and gives the results in the order of the items.
 */

/** `work` of each item of `source`, at most `ahead` items at a time. Leaving it leaves `source`. */
export async function* inOrder<Item, Result>(
  source: AsyncIterable<Item>,
  ahead: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const items = source[Symbol.asyncIterator]()
  const results: Promise<Result>[] = []
  let isMore = true
  let pulling: Promise<void> | undefined

  const pull = async () => {
    const { done, value } = await items.next()
    pulling = undefined
    if (done) isMore = false
    else results.push(quiet(work(value)))
  }

  try {
    while (isMore || results.length > 0) {
      if (isMore && results.length < ahead) pulling ??= quiet(pull())
      const [first] = results
      // A result that is there does not wait for an item that may take its time.
      const isNext = first !== undefined && (pulling === undefined || (await settlesFirst(first, pulling)))
      if (isNext) yield await (results.shift() as Promise<Result>)
      else await pulling
    }
  } finally {
    await items.return?.()
  }
}

/** Whoever awaits it hears of a failure; until somebody does, it is not an unhandled one. */
function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {})
  return promise
}

function settlesFirst(one: Promise<unknown>, other: Promise<unknown>): Promise<boolean> {
  return Promise.race([one.then(() => true), other.then(() => false)])
}
