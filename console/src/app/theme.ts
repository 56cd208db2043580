// Light or dark: as the system says, until the user says otherwise.

import { applyMode, Mode } from '@cloudscape-design/global-styles';
import { useSyncExternalStore } from 'react';

const KEPT = 'neargate.mode';
const listeners = new Set<() => void>();

function wanted(): Mode {
  const kept = localStorage.getItem(KEPT);
  if (kept) return kept as Mode;
  return matchMedia('(prefers-color-scheme: dark)').matches ? Mode.Dark : Mode.Light;
}

let mode = wanted();
applyMode(mode);

export function toggleMode() {
  mode = mode === Mode.Dark ? Mode.Light : Mode.Dark;
  localStorage.setItem(KEPT, mode);
  applyMode(mode);
  listeners.forEach((changed) => changed());
}

export function useIsDark(): boolean {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => mode === Mode.Dark,
  );
}
