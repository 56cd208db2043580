// A terminal in a container, by ECS Exec.

import '@xterm/xterm/css/xterm.css';
import type { Task } from '@aws-sdk/client-ecs';
import { Alert, Box, Button, Container, FormField, Header, Input, Select, SpaceBetween } from '@cloudscape-design/components';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'react';
import { told } from '../../../app/notices';
import { ecs } from '../../../aws/clients';
import { shortName } from '../../../parts/names';
import { Channel } from './channel';

interface Begun {
  url: string;
  token: string;
}

export default function Exec({ cluster, task }: { cluster: string; task: Task | undefined }) {
  const containers = (task?.containers ?? []).map((c) => c.name ?? '');
  const [container, setContainer] = useState<string>();
  const [command, setCommand] = useState('/bin/sh');
  const [begun, setBegun] = useState<Begun>();
  const [ended, setEnded] = useState<string>();
  const [error, setError] = useState<unknown>();
  if (!task) return null;
  if (!task.enableExecuteCommand) {
    return (
      <Alert type="info" header="ECS Exec is off for this task">
        A task has a terminal when it was started with it: choose “Enable ECS Exec” when you run a task or create a service, or{' '}
        <code>--enable-execute-command</code> on the command line.
      </Alert>
    );
  }
  const chosen = container ?? containers[0];
  const start = async () => {
    setError(undefined);
    setEnded(undefined);
    try {
      const answer = await ecs.executeCommand({ cluster, task: shortName(task.taskArn), container: chosen, command, interactive: true });
      const url = new URL(answer.session?.streamUrl ?? '');
      // This page may know the server by another of its names, and may ask no other.
      url.host = location.host;
      url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
      setBegun({ url: url.href, token: answer.session?.tokenValue ?? '' });
    } catch (refusal) {
      setError(refusal);
    }
  };
  const over = begun === undefined || ended !== undefined;
  return (
    <Container header={<Header variant="h2">Terminal</Header>}>
      <SpaceBetween size="m">
        {error !== undefined && (
          <Alert type="error" header={told(error).code}>
            {told(error).sentence}
          </Alert>
        )}
        <SpaceBetween size="s" direction="horizontal" alignItems="end">
          <FormField label="Container">
            <Select
              selectedOption={{ value: chosen, label: chosen }}
              options={containers.map((value) => ({ value, label: value }))}
              onChange={({ detail }) => setContainer(detail.selectedOption.value)}
              disabled={!over}
            />
          </FormField>
          <FormField label="Command">
            <Input value={command} onChange={({ detail }) => setCommand(detail.value)} disabled={!over} />
          </FormField>
          <Button variant="primary" onClick={() => void start()} disabled={!over || task.lastStatus !== 'RUNNING'}>
            {ended === undefined ? 'Connect' : 'Connect again'}
          </Button>
        </SpaceBetween>
        {begun && <Screen key={begun.token} begun={begun} onEnd={setEnded} />}
        {ended !== undefined && <Box color="text-body-secondary">{ended}</Box>}
      </SpaceBetween>
    </Container>
  );
}

function Screen({ begun, onEnd }: { begun: Begun; onEnd: (why: string) => void }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!box.current) return;
    const terminal = new Terminal({ cursorBlink: true, fontSize: 13, scrollback: 10_000, screenReaderMode: true, theme: { background: '#0f141a' } });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(box.current);
    fit.fit();
    const channel = new Channel(begun.url, begun.token, {
      onOutput: (bytes) => terminal.write(bytes),
      onEnd: (why) => {
        terminal.options.disableStdin = true;
        onEnd(why);
      },
    });
    channel.size(terminal.cols, terminal.rows);
    terminal.onData((text) => channel.type(text));
    terminal.onResize(({ cols, rows }) => channel.size(cols, rows));
    const sized = new ResizeObserver(() => fit.fit());
    sized.observe(box.current);
    terminal.focus();
    return () => {
      sized.disconnect();
      channel.close();
      terminal.dispose();
    };
  }, [begun]);
  return <div ref={box} className="shell" />;
}
