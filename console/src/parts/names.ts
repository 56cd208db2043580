// How names and times are shown.

/** What an ARN's resource is called: all behind its last slash or colon. */
export function shortName(arn: string | undefined): string {
  return arn?.split(/[/:]/).pop() ?? '';
}

/** `family:revision` of a task definition's ARN. */
export function revisionName(arn: string | undefined): string {
  return arn?.split('/').pop() ?? '';
}

/** Swedes write times as ISO 8601 does. */
const YEAR_FIRST = 'sv-SE';

/** A time of this place's clock, `2026-11-30 22:44:06`. */
export function time(at: Date | number | string | undefined): string {
  if (at === undefined) return '–';
  const date = at instanceof Date ? at : new Date(at);
  return Number.isNaN(date.getTime()) ? '–' : date.toLocaleString(YEAR_FIRST);
}

/** How long ago, in one unit. */
export function ago(at: Date | undefined): string {
  if (!at) return '–';
  const seconds = Math.max(0, Math.round((Date.now() - at.getTime()) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

export function bytes(size: number | undefined): string {
  if (size === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [size, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** A value as JSON that a person reads. */
export function pretty(value: unknown): string {
  return JSON.stringify(
    value,
    (name, inner: unknown) => (name === '$metadata' ? undefined : inner instanceof Uint8Array ? new TextDecoder().decode(inner) : inner),
    2,
  );
}
