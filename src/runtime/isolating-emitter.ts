/**
 * An emitter of eventemitter3 whose listeners cannot harm each other: what one throws, or rejects with, is reported, and
 * the next one is called. Each listener is wrapped once, as it comes; leaving and listing work with the listener itself.
 */
import { EventEmitter } from 'eventemitter3'

type Listener = (this: unknown, ...args: any[]) => unknown

export class IsolatingEmitter extends EventEmitter<string> {
  readonly #report: (name: string, thrown: unknown) => void
  readonly #guards = new Map<string, WeakMap<Listener, Listener>>()
  readonly #guarded = new WeakMap<Listener, Listener>()

  constructor(report: (name: string, thrown: unknown) => void) {
    super()
    this.#report = report
  }

  override on(name: string, listener: Listener, context?: unknown): this {
    return super.on(name, this.#guard(name, listener), context)
  }

  override addListener(name: string, listener: Listener, context?: unknown): this {
    return this.on(name, listener, context)
  }

  override once(name: string, listener: Listener, context?: unknown): this {
    return super.once(name, this.#guard(name, listener), context)
  }

  /** `emit` calls it too, with the wrapper, for a listener that hears once. */
  override removeListener(name: string, listener?: Listener, context?: unknown, once?: boolean): this {
    const guard = listener && this.#guards.get(name)?.get(listener)
    return super.removeListener(name, guard ?? listener, context, once)
  }

  override off(name: string, listener?: Listener, context?: unknown, once?: boolean): this {
    return this.removeListener(name, listener, context, once)
  }

  override listeners(name: string): Listener[] {
    return super.listeners(name).map((guard) => this.#guarded.get(guard) ?? guard)
  }

  #guard(name: string, listener: Listener): Listener {
    // Refused by eventemitter3.
    if (typeof listener !== 'function') return listener
    let guards = this.#guards.get(name)
    if (guards === undefined) {
      guards = new WeakMap()
      this.#guards.set(name, guards)
    }
    let guard = guards.get(listener)
    if (guard === undefined) {
      guard = this.#wrap(name, listener)
      guards.set(listener, guard)
      this.#guarded.set(guard, listener)
    }
    return guard
  }

  #wrap(name: string, listener: Listener): Listener {
    const report = (thrown: unknown) => this.#report(name, thrown)
    return function (this: unknown, ...args) {
      try {
        const result = listener.apply(this, args)
        if (result instanceof Promise) result.catch(report)
      } catch (thrown) {
        report(thrown)
      }
    }
  }
}
