// What an action came to: AWS's own code and sentence when it was refused.

import { useSyncExternalStore } from 'react';
import { refresh } from '../aws/live';

export interface Notice {
  id: string;
  type: 'success' | 'error' | 'in-progress';
  header: string;
  content?: string;
}

const MOST = 6;
let all: Notice[] = [];
let next = 1;
const listeners = new Set<() => void>();

export function useNotices(): Notice[] {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => all,
  );
}

export function dismiss(id: string) {
  all = all.filter((notice) => notice.id !== id);
  listeners.forEach((changed) => changed());
}

export function notify(notice: Omit<Notice, 'id'>) {
  all = [{ ...notice, id: String(next++) }, ...all].slice(0, MOST);
  listeners.forEach((changed) => changed());
}

/** An error of AWS's as it is shown: its code, its sentence, and the request that the log names. */
export function told(error: unknown): { code: string; sentence: string } {
  if (!(error instanceof Error)) return { code: 'Error', sentence: String(error) };
  const id = (error as { $metadata?: { requestId?: string } }).$metadata?.requestId;
  if (isAway(error)) return { code: 'No answer', sentence: 'The server does not answer.' };
  return { code: error.name, sentence: id ? `${error.message} (request ${id})` : error.message };
}

/** Does nobody answer? Browsers say so in several ways. */
export function isAway(error: unknown): boolean {
  return error instanceof TypeError && /fetch|network|load failed/i.test(error.message);
}

/** Carries an action out and says what came of it; answers `undefined` when it was refused. */
export async function act<T>(what: string, action: () => Promise<T>): Promise<T | undefined> {
  try {
    const answer = await action();
    notify({ type: 'success', header: what });
    refresh();
    return answer;
  } catch (error) {
    const { code, sentence } = told(error);
    notify({ type: 'error', header: `${what}: ${code}`, content: sentence });
    refresh();
    return undefined;
  }
}
