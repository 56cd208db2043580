// Where the page that is shown is, for the breadcrumbs of the shell.

import { useEffect, useSyncExternalStore } from 'react';

export type Crumb = [text: string, href: string];

let trail: Crumb[] = [];
const listeners = new Set<() => void>();

export function useTrail(): Crumb[] {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => trail,
  );
}

/** Says where this page is, while it is shown. */
export function useBeing(at: Crumb[]) {
  const text = JSON.stringify(at);
  useEffect(() => {
    trail = JSON.parse(text) as Crumb[];
    listeners.forEach((changed) => changed());
  }, [text]);
}
