// The `aws` command of each call: one middleware sees all of them, and the pane shows them.

import { useSyncExternalStore } from 'react';

export interface Command {
  id: number;
  text: string;
  at: Date;
  /** It changes nothing. */
  reads: boolean;
  /** `undefined`: not answered yet. */
  outcome?: 'done' | string;
}

const MOST = 300;
let all: Command[] = [];
let next = 1;
const listeners = new Set<() => void>();

export function useCommands(): Command[] {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => all,
  );
}

export function clearCommands() {
  tell([]);
}

function tell(commands: Command[]) {
  all = commands;
  listeners.forEach((changed) => changed());
}

/** A page that polls says the same again and again: of each read, the last time is kept. */
function begun(text: string, reads: boolean): number {
  const id = next++;
  const others = reads ? all.filter((c) => c.text !== text) : all;
  tell([{ id, text, reads, at: new Date() }, ...others].slice(0, MOST));
  return id;
}

function ended(id: number, outcome: string) {
  tell(all.map((c) => (c.id === id ? { ...c, outcome } : c)));
}

const READS = /^(Get|List|Describe|BatchGet|Filter|Lookup|Search|Head|Simulate|Preview|TestMetric|TestEvent)/;

interface Stack {
  middlewareStack: {
    add(
      middleware: (
        next: (args: { input: unknown }) => Promise<unknown>,
        context: { commandName?: string },
      ) => (args: { input: unknown }) => Promise<unknown>,
      options: { step: 'initialize'; name: string },
    ): void;
  };
}

/** Has every call of this client recorded. */
export function follow(service: string, client: Stack) {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const operation = (context.commandName ?? '').replace(/Command$/, '');
      const id = begun(command(service, operation, args.input as Record<string, unknown>), READS.test(operation));
      try {
        const answer = await next(args);
        ended(id, 'done');
        return answer;
      } catch (error) {
        ended(id, error instanceof Error ? error.name : String(error));
        throw error;
      }
    },
    { step: 'initialize', name: 'recordCommand' },
  );
}

/** The words of a name as the `aws` command has them: `DescribeDBInstances` is `describe-db-instances`. */
export function kebab(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, (_, a: string, b: string) => `${a}-${b}`)
    .replace(/-(\d)$/, '$1')
    .toLowerCase()
    .replace(/^(.*)-v-?2$/, '$1-v2');
}

/** What a customer would type for a call. Secrets are shown as little as they are elsewhere. */
export function command(service: string, operation: string, input: Record<string, unknown> = {}): string {
  const words = ['aws', service, kebab(operation)];
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const option = `--${kebab(name)}`;
    if (value === true) words.push(option);
    else if (value === false) words.push(`--no-${kebab(name)}`);
    else if (isSecret(name)) words.push(option, '"$SECRET"');
    else if (Array.isArray(value) && value.every((v) => typeof v !== 'object')) words.push(option, ...value.map(quoted));
    else words.push(option, quoted(plain(value)));
  }
  return words.join(' ');
}

const isSecret = (name: string) => /^(secretstring|secretbinary|password|masteruserpassword|plaintext)$/i.test(name);

function plain(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof Blob) return `file://${value instanceof File ? value.name : 'body'}`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function quoted(value: unknown): string {
  const text = String(value);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
