// Who calls, and where: the credentials of every client, the account and the region.
//
// On loopback in development mode callers need no proof, and an access key of twelve digits chooses
// the account of that number. Elsewhere a user signs in, and his keys are kept in this tab alone.

import { useSyncExternalStore } from 'react';

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface Session {
  /** Nobody asks for proof here; the account is a choice. */
  free: boolean;
  account: string;
  region: string;
  /** Who STS says calls. */
  arn: string;
  keys: Keys;
}

const KEYS = 'neargate.keys';
const REGION = 'neargate.region';
const ACCOUNTS = 'neargate.accounts';
const FIRST_REGION = 'us-east-1';

let current: Session | undefined;
const listeners = new Set<() => void>();

/** The session of this tab. */
export function session(): Session {
  if (!current) throw new Error('nobody has signed in');
  return current;
}

export function hasSession(): boolean {
  return current !== undefined;
}

export function useSession(): Session | undefined {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => current,
  );
}

function set(next: Session | undefined) {
  current = next;
  listeners.forEach((changed) => changed());
}

/** The keys of somebody who needs no proof. */
export function freeKeys(account = 'console'): Keys {
  return { accessKeyId: account, secretAccessKey: 'console' };
}

export function keptKeys(): Keys | undefined {
  const kept = sessionStorage.getItem(KEYS);
  return kept ? (JSON.parse(kept) as Keys) : undefined;
}

export function keptRegion(): string {
  return localStorage.getItem(REGION) ?? FIRST_REGION;
}

export function begin(keys: Keys, who: { account: string; arn: string }, free: boolean) {
  if (!free) sessionStorage.setItem(KEYS, JSON.stringify(keys));
  set({ free, keys: free ? freeKeys(who.account) : keys, region: keptRegion(), ...who });
}

export function signOut() {
  sessionStorage.removeItem(KEYS);
  set(undefined);
}

export function chooseRegion(region: string) {
  localStorage.setItem(REGION, region);
  if (current) set({ ...current, region });
}

/** Accounts that were chosen on this browser before. */
export function knownAccounts(): string[] {
  const kept = JSON.parse(localStorage.getItem(ACCOUNTS) ?? '[]') as string[];
  const all = current ? [current.account, ...kept] : kept;
  return [...new Set(all)].sort();
}

export function chooseAccount(account: string) {
  if (!current?.free) return;
  const kept = [...new Set([...knownAccounts(), account])];
  localStorage.setItem(ACCOUNTS, JSON.stringify(kept));
  set({ ...current, account, keys: freeKeys(account), arn: `arn:aws:iam::${account}:root` });
}
