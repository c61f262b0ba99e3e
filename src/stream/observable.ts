/**
 * The bridge to RxJS. Its own pump, because `from(asyncGenerator)` of RxJS 7 does not stop an idle generator when the
 * subscriber leaves. An Observable has no way to say "full": items are pushed as fast as they come.
 */
import type { Observable, Subscriber } from 'rxjs'
// Not `rxjs` itself, which loads every operator: half of the time and a third of the memory that importing sluice takes.
import { Observable as RxObservable } from 'rxjs/internal/Observable'
import { SluiceError } from '../core/error.ts'
import { isResponse } from '../core/response.ts'
import type { Reader } from './reader.ts'

export type { Observable } from 'rxjs'

/** The one-subscriber view of a call already started. */
export function observeReader<Item>(reader: Reader, leave: () => void): Observable<Item> {
  let taken = false
  return new RxObservable<Item>((subscriber) => {
    if (taken) {
      subscriber.error(
        new SluiceError('failed_precondition', `observable() of ${reader.endpoint} has a subscriber: it takes one`),
      )
      return
    }
    taken = true
    subscriber.add(leave)
    push(reader, subscriber)
  })
}

/** One call per subscription; `open` starts it, `cancel` ends it also while it is still being accepted. */
export function observeCall<Item>(begin: () => { opened: Promise<Reader>; cancel: () => void }): Observable<Item> {
  return new RxObservable<Item>((subscriber) => {
    const { opened, cancel } = begin()
    subscriber.add(cancel)
    opened.then(
      (reader) => push(reader, subscriber),
      (error) => subscriber.error(error),
    )
  })
}

/** An Observable from a function that subscribes and returns how to unsubscribe. */
export function observe<Value>(
  subscribe: (next: (value: Value) => void, complete: () => void) => (() => void) | undefined,
): Observable<Value> {
  return new RxObservable<Value>((subscriber) =>
    subscribe(
      (value) => subscriber.next(value),
      () => subscriber.complete(),
    ),
  )
}

function push<Item>(reader: Reader, subscriber: Subscriber<Item>): void {
  reader.consume({
    item(item) {
      if (!isResponse(item)) subscriber.next(item as Item)
      else if (item.hasData) subscriber.next(item.data() as Item)
    },
    end: () => subscriber.complete(),
    fail: (error) => subscriber.error(error),
  })
}
