// The `aws` command of each action, as a customer would type it.

import { Box, Button, CopyToClipboard, Drawer, SpaceBetween, StatusIndicator, Toggle } from '@cloudscape-design/components';
import { useState } from 'react';
import { type Command, clearCommands, useCommands } from '../aws/commands';

export function Commands() {
  const [reads, setReads] = useState(false);
  const all = useCommands();
  const shown = all.filter((command) => reads || !command.reads);
  return (
    <Drawer header="Commands">
      <SpaceBetween size="m">
        <Box color="text-body-secondary">What this console did, for your shell. It calls nothing else.</Box>
        <SpaceBetween size="s" direction="horizontal" alignItems="center">
          <Toggle checked={reads} onChange={({ detail }) => setReads(detail.checked)}>
            Also what only reads
          </Toggle>
          <Button variant="inline-link" onClick={clearCommands}>
            Clear
          </Button>
        </SpaceBetween>
        {shown.length === 0 && <Box color="text-body-secondary">Nothing has been changed yet.</Box>}
        {shown.map((command) => (
          <Entry key={command.id} command={command} />
        ))}
      </SpaceBetween>
    </Drawer>
  );
}

function Entry({ command }: { command: Command }) {
  const { outcome } = command;
  const type = outcome === undefined ? 'in-progress' : outcome === 'done' ? 'success' : 'error';
  const said = outcome === undefined ? 'Asked' : outcome === 'done' ? 'Done' : outcome;
  return (
    <div>
      <SpaceBetween size="xs" direction="horizontal" alignItems="center">
        <StatusIndicator type={type}>{said}</StatusIndicator>
        <Box color="text-body-secondary" fontSize="body-s">
          {command.at.toLocaleTimeString()}
        </Box>
        <CopyToClipboard
          variant="icon"
          textToCopy={command.text}
          copyButtonAriaLabel="Copy the command"
          copySuccessText="Copied"
          copyErrorText="Not copied"
        />
      </SpaceBetween>
      <pre className="mono output" tabIndex={0}>
        {command.text}
      </pre>
    </div>
  );
}
