// Whether the server answers: of all questions the last one says.

import { useSyncExternalStore } from 'react';
import { queries } from '../aws/live';
import { isAway } from './notices';

let away = false;
const listeners = new Set<() => void>();

queries.getQueryCache().subscribe((event) => {
  if (event.type !== 'updated') return;
  const { action } = event;
  let now = away;
  if (action.type === 'error') now = isAway(action.error);
  else if (action.type === 'success') now = false;
  if (now === away) return;
  away = now;
  listeners.forEach((changed) => changed());
});

export function useIsAway(): boolean {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => away,
  );
}
