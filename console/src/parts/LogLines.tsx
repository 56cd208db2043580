// What log streams say, as it comes.

import { Box, Container, Header, Input, SpaceBetween, Toggle } from '@cloudscape-design/components';
import { useEffect, useRef, useState } from 'react';
import { told } from '../app/notices';
import { logs } from '../aws/clients';
import { useSession } from '../aws/session';

interface Line {
  id: string;
  at: number;
  stream: string;
  message: string;
}

const EVERY_MILLIS = 1000;
const MOST_LINES = 2000;

/** Follows a group, or some of its streams, from `minutes` ago on. */
function useLines(group: string, streams: string[] | undefined, pattern: string, minutes: number, paused: boolean) {
  const session = useSession();
  const [lines, setLines] = useState<Line[]>([]);
  const [error, setError] = useState<unknown>();
  const by = JSON.stringify([group, streams, pattern, minutes, session?.account, session?.region]);
  const seen = useRef({ by: '', from: 0, ids: new Set<string>(), lines: [] as Line[] });
  useEffect(() => {
    if (seen.current.by !== by) {
      seen.current = { by, from: Date.now() - minutes * 60_000, ids: new Set(), lines: [] };
      setLines([]);
    }
    if (paused) return;
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const now = seen.current;
    const look = async () => {
      try {
        let nextToken: string | undefined;
        do {
          const answer = await logs.filterLogEvents({
            logGroupName: group,
            logStreamNames: streams,
            filterPattern: pattern || undefined,
            startTime: now.from,
            nextToken,
          });
          if (ended) return;
          take(now, answer.events ?? []);
          nextToken = answer.nextToken;
        } while (nextToken && now.lines.length < MOST_LINES);
        setLines(now.lines);
        setError(undefined);
      } catch (refusal) {
        if (ended) return;
        // A stream is there from its first line on.
        setError((refusal as Error).name === 'ResourceNotFoundException' ? undefined : refusal);
      }
      timer = setTimeout(() => void look(), EVERY_MILLIS);
    };
    void look();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [by, paused]);
  return { lines, error };
}

type Event = { eventId?: string; timestamp?: number; logStreamName?: string; message?: string };

function take(now: { from: number; ids: Set<string>; lines: Line[] }, events: Event[]) {
  const fresh = events.filter((e) => e.eventId && !now.ids.has(e.eventId));
  if (fresh.length === 0) return;
  for (const event of fresh) {
    now.ids.add(event.eventId ?? '');
    // A line may come a little after younger ones of other streams.
    now.from = Math.max(now.from, (event.timestamp ?? 0) - 5000);
  }
  const added = fresh.map((e) => ({ id: e.eventId ?? '', at: e.timestamp ?? 0, stream: e.logStreamName ?? '', message: e.message ?? '' }));
  now.lines = [...now.lines, ...added].sort((a, b) => a.at - b.at).slice(-MOST_LINES);
}

export function LogLines({ group, streams, title = 'Logs', minutes = 60 }: { group: string; streams?: string[]; title?: string; minutes?: number }) {
  const [pattern, setPattern] = useState('');
  const [asked, setAsked] = useState('');
  const [paused, setPaused] = useState(false);
  const { lines, error } = useLines(group, streams, asked, minutes, paused);
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(pattern), 400);
    return () => clearTimeout(timer);
  }, [pattern]);
  useEffect(() => {
    // Whoever scrolls back reads; the end comes to whoever is at the end.
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={group}
          counter={`(${lines.length})`}
          actions={
            <SpaceBetween size="xs" direction="horizontal" alignItems="center">
              <Input
                type="search"
                value={pattern}
                placeholder="Filter pattern"
                ariaLabel="Filter pattern"
                clearAriaLabel="Clear"
                onChange={({ detail }) => setPattern(detail.value)}
              />
              <Toggle checked={!paused} onChange={({ detail }) => setPaused(!detail.checked)}>
                Live
              </Toggle>
            </SpaceBetween>
          }
        >
          {title}
        </Header>
      }
    >
      {error !== undefined && <Box color="text-status-error">{`${told(error).code}: ${told(error).sentence}`}</Box>}
      <div
        ref={box}
        className="mono output log"
        role="log"
        aria-label={title}
        tabIndex={0}
        onScroll={({ currentTarget: at }) => {
          follows.current = at.scrollHeight - at.scrollTop - at.clientHeight < 40;
        }}
      >
        {lines.length === 0 && <Box color="text-body-secondary">Nothing was said in the last {minutes} minutes.</Box>}
        {lines.map((line) => (
          <div key={line.id}>
            <time dateTime={new Date(line.at).toISOString()}>{new Date(line.at).toLocaleTimeString()}</time>
            {line.message}
          </div>
        ))}
      </div>
      {lines.length === MOST_LINES && (
        <Box color="text-body-secondary" padding={{ top: 'xs' }}>
          The last {MOST_LINES} lines.
        </Box>
      )}
    </Container>
  );
}
