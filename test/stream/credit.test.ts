// What a receiver grants: a window that adapts, and windows of a connection that are bounded together.
import {
  ConnectionWindow,
  MAX_CONNECTION_WINDOW_BYTES,
  MAX_WINDOW,
  MIN_WINDOW,
  ReceiveWindow,
  SendCredit,
  SMALL_WINDOW_BYTES,
} from '../../src/stream/credit.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('stream/credit.test.ts')

const NOTHING = { items: 0, bytes: 0 }

const sizeOf = ({ items, bytes }: ReceiveWindow) => ({ items, bytes })

/** Takes items of `bytes` each until something is granted. */
function untilGranted(window: ReceiveWindow, bytes: number, unread = NOTHING) {
  for (let taken = 1; ; taken++) {
    const grant = window.taken(bytes, unread.items, unread.bytes)
    if (grant !== undefined) return { grant, taken }
  }
}

test('half the window is granted at once when it was taken, and before that nothing', () => {
  const window = new ReceiveWindow(new ConnectionWindow())
  assert.equal(sizeOf(window), MIN_WINDOW)
  assert.equal(untilGranted(window, 10), { grant: { items: 16, bytes: 160 }, taken: 16 })
  const large = new ReceiveWindow(new ConnectionWindow())
  assert.is(untilGranted(large, MIN_WINDOW.bytes / 4).taken, 2)
})

test('a window doubles while its consumer waits, up to its bound, and halves while half of it is unread, down to its beginning', () => {
  const window = new ReceiveWindow(new ConnectionWindow())
  const items: number[] = []
  for (let round = 0; round < 9; round++) {
    window.waited()
    untilGranted(window, 1)
    items.push(window.items)
  }
  assert.equal(items, [64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096])
  assert.equal(sizeOf(window), MAX_WINDOW)
  for (let round = 0; round < 9; round++) untilGranted(window, 1, MAX_WINDOW)
  assert.equal(sizeOf(window), MIN_WINDOW)
})

test('what was granted and what was taken never differ by more than the window', () => {
  const window = new ReceiveWindow(new ConnectionWindow())
  let granted = window.items
  for (let taken = 1; taken <= 20_000; taken++) {
    if (taken % 7 === 0) window.waited()
    const unread = taken % 13 === 0 ? MAX_WINDOW : NOTHING
    granted += window.taken(100, unread.items, unread.bytes)?.items ?? 0
    assert.ok(granted - taken <= MAX_WINDOW.items)
    assert.ok(granted > taken)
  }
})

test('prefetch asks for so many items and never more', () => {
  const window = new ReceiveWindow(new ConnectionWindow(), 3)
  for (let round = 0; round < 5; round++) {
    window.waited()
    untilGranted(window, 1)
    assert.is(window.items, 3)
  }
})

test('windows beyond what a connection may have begin small, and grow when others have closed', () => {
  const connection = new ConnectionWindow()
  const whole = MAX_CONNECTION_WINDOW_BYTES / MIN_WINDOW.bytes
  const first = Array.from({ length: whole }, () => new ReceiveWindow(connection))
  assert.ok(first.every(({ bytes }) => bytes === MIN_WINDOW.bytes))
  const late = new ReceiveWindow(connection)
  assert.equal(sizeOf(late), { items: MIN_WINDOW.items, bytes: SMALL_WINDOW_BYTES })
  late.waited()
  untilGranted(late, 100)
  assert.is(late.bytes, SMALL_WINDOW_BYTES)
  // Being slow makes it no larger.
  untilGranted(late, 100, MAX_WINDOW)
  assert.is(late.bytes, SMALL_WINDOW_BYTES)
  for (const window of first) window.close()
  late.waited()
  untilGranted(late, 100)
  assert.is(late.bytes, 2 * SMALL_WINDOW_BYTES)
})

test('a sender with any credit may send an item of any size, and then pays its debt', () => {
  const credit = new SendCredit({ items: 2, bytes: 1 })
  credit.spend(1_000)
  assert.is(credit.isOpen, false)
  credit.grant({ items: 0, bytes: 999 })
  assert.is(credit.isOpen, false)
  credit.grant({ items: 0, bytes: 1 })
  assert.is(credit.isOpen, true)
})
