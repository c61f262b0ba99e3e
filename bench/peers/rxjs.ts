/**
 * RxJS, in one process: handlers are functions that return observables, made `from` the generators.
 */
import { finalize, firstValueFrom, type Observable, from as observe, of } from 'rxjs'
import type { Ask, Item, Service, Small } from '../service.ts'
import { generate, leaving } from './calls.ts'
import type { PeerSystem } from './peer.ts'
import { Queue } from './queue.ts'

async function local(service: Service) {
  const echo = (request: Small): Observable<Small> => of(request)
  const stage = (ask: Ask, left: AbortController): Observable<Item> => observe(generate(service, ask, left.signal))
  return {
    one: (request: Small): Promise<Small> => firstValueFrom(echo(request)),
    stream: (ask: Ask, from?: { readonly signal: AbortSignal }): AsyncIterable<Item> => {
      const left = new AbortController()
      const items = new Queue<Item>()
      const subscription = stage(ask, left)
        .pipe(finalize(() => left.abort()))
        .subscribe({
          next: (item) => items.push(item),
          complete: () => items.end(),
          error: (error) => items.fail(error),
        })
      return leaving(
        items,
        () => {
          subscription.unsubscribe()
          items.end()
        },
        from?.signal,
      )
    },
    drain: (ask: Ask, next: (item: Item) => void) =>
      new Promise<void>((complete, error) => {
        stage(ask, new AbortController()).subscribe({ next, complete, error })
      }),
  }
}

export const rxjs: PeerSystem = { local }
