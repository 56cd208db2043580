// Nothing is destroyed by one click.

import { Alert, Button, FormField, Input, Modal, SpaceBetween } from '@cloudscape-design/components';
import { type ReactNode, useState } from 'react';
import { act } from '../app/notices';

interface Props {
  /** What the button says, `Delete`. */
  verb: string;
  /** What is destroyed, by name. */
  what: string;
  /** What else goes with it. */
  consequence?: ReactNode;
  /** Its name is to be typed. */
  typed?: boolean;
  disabled?: boolean;
  variant?: 'normal' | 'inline-link';
  action: () => Promise<unknown>;
  onDone?: () => void;
}

export function Confirm({ verb, what, consequence, typed, disabled, variant = 'normal', action, onDone }: Props) {
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [text, setText] = useState('');
  const close = () => {
    setAsked(false);
    setText('');
  };
  const go = async () => {
    setBusy(true);
    const answer = await act(`${verb} ${what}`, async () => {
      await action();
      return true;
    });
    setBusy(false);
    close();
    if (answer) onDone?.();
  };
  return (
    <>
      <Button variant={variant} disabled={disabled} onClick={() => setAsked(true)}>
        {verb}
      </Button>
      {asked && (
        <Modal
          visible
          onDismiss={close}
          header={`${verb} ${what}?`}
          footer={
            <SpaceBetween size="xs" direction="horizontal">
              <Button onClick={close}>Cancel</Button>
              <Button variant="primary" loading={busy} disabled={typed && text !== what} onClick={() => void go()}>
                {verb}
              </Button>
            </SpaceBetween>
          }
        >
          <SpaceBetween size="m">
            <Alert type="warning">{consequence ?? 'This cannot be undone.'}</Alert>
            {typed && (
              <FormField label={`Type ${what} to confirm`}>
                <Input value={text} onChange={({ detail }) => setText(detail.value)} />
              </FormField>
            )}
          </SpaceBetween>
        </Modal>
      )}
    </>
  );
}
