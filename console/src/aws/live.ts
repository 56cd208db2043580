// What is shown is asked for again and again, so that a change is seen within about a second.
//
// A question that takes long is asked less often: a page of ten thousand tasks must not keep the
// server busy. What was seen stays until something else is known, so that nothing flickers.

import { keepPreviousData, QueryClient, useQuery } from '@tanstack/react-query';
import { useSession } from './session';

const EVERY_MILLIS = 1000;
/** Of the time, one part in so many goes into asking. */
const PATIENCE = 8;

export const queries = new QueryClient({
  defaultOptions: { queries: { retry: false, refetchOnWindowFocus: true, gcTime: 60_000, networkMode: 'always' } },
});

/** After a change everything is asked for at once. */
export function refresh() {
  void queries.invalidateQueries();
}

export interface Live<T> {
  data: T | undefined;
  error: Error | undefined;
  loading: boolean;
}

const took = new Map<string, number>();

/** What `ask` answers, kept up to date. `key` tells questions apart; nothing is asked while it is `undefined`. */
export function useLive<T>(key: readonly unknown[] | undefined, ask: () => Promise<T>, everyMillis = EVERY_MILLIS): Live<T> {
  const session = useSession();
  const whole = [session?.account, session?.region, ...(key ?? [])];
  const name = JSON.stringify(whole);
  const query = useQuery({
    queryKey: whole,
    queryFn: async () => {
      const begun = performance.now();
      try {
        // A query may not answer `undefined`.
        return { answer: await ask() };
      } finally {
        took.set(name, performance.now() - begun);
      }
    },
    enabled: key !== undefined && session !== undefined,
    placeholderData: (previous, query) => (query?.queryKey[2] === whole[2] && query?.queryKey[0] === whole[0] ? keepPreviousData(previous) : undefined),
    refetchInterval: () => Math.max(everyMillis, PATIENCE * (took.get(name) ?? 0)),
  });
  return { data: query.data?.answer, error: query.error ?? undefined, loading: query.isPending && key !== undefined };
}

/** Every page of a list. `page` asks for one and says where the next is. */
export async function everything<T>(page: (token: string | undefined) => Promise<{ items?: T[]; next?: string }>): Promise<T[]> {
  const all: T[] = [];
  let token: string | undefined;
  do {
    const { items, next } = await page(token);
    all.push(...(items ?? []));
    token = next || undefined;
  } while (token);
  return all;
}

/** `items` in pieces of at most `size`, each asked for; several at once. */
export async function inPieces<A, B>(items: A[], size: number, ask: (piece: A[]) => Promise<B[] | undefined>): Promise<B[]> {
  const pieces: A[][] = [];
  for (let at = 0; at < items.length; at += size) pieces.push(items.slice(at, at + size));
  const answers = await Promise.all(pieces.map(ask));
  return answers.flatMap((answer) => answer ?? []);
}
