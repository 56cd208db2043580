// Who comes in: callers who need no proof at once, others when they show their keys.

import { Alert, Box, Button, Container, Form, FormField, Header, Input, SpaceBetween, Spinner } from '@cloudscape-design/components';
import { useEffect, useState } from 'react';
import { identify } from '../aws/clients';
import { begin, freeKeys, type Keys, keptKeys, keptRegion, signOut, useSession } from '../aws/session';
import { isAway, told } from './notices';
import { Shell } from './Shell';
import './theme';

type State = 'looking' | 'away' | 'sign in';

export function Entrance() {
  const session = useSession();
  const [state, setState] = useState<State>('looking');
  useEffect(() => {
    if (session || state === 'sign in') return;
    let given = false;
    const look = async () => {
      const kept = keptKeys();
      try {
        const keys = kept ?? freeKeys();
        const who = await identify(keys, keptRegion());
        if (!given) begin(keys, who, !kept);
      } catch (error) {
        if (given) return;
        if (isAway(error)) {
          setState('away');
          setTimeout(() => void look(), 1000);
        } else {
          if (kept) signOut();
          setState('sign in');
        }
      }
    };
    void look();
    return () => {
      given = true;
    };
  }, [session, state === 'sign in']);
  if (session) return <Shell />;
  if (state === 'sign in') return <SignIn />;
  return (
    <Box textAlign="center" padding="xxxl">
      {state === 'away' ? <Box variant="p">The server does not answer. Trying again.</Box> : <Spinner size="large" />}
    </Box>
  );
}

function SignIn() {
  const [keys, setKeys] = useState<Keys>({ accessKeyId: '', secretAccessKey: '', sessionToken: '' });
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const enter = async () => {
    setBusy(true);
    setError(undefined);
    const given: Keys = {
      accessKeyId: keys.accessKeyId.trim(),
      secretAccessKey: keys.secretAccessKey.trim(),
      sessionToken: keys.sessionToken?.trim() || undefined,
    };
    try {
      begin(given, await identify(given, keptRegion()), false);
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  };
  const field = (name: keyof Keys, label: string, type: 'text' | 'password', hint?: string) => (
    <FormField label={label} description={hint}>
      <Input type={type} autoComplete={false} value={keys[name] ?? ''} onChange={({ detail }) => setKeys({ ...keys, [name]: detail.value })} />
    </FormField>
  );
  return (
    <main style={{ maxWidth: 460, margin: '10vh auto', padding: '0 16px' }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <Form
          header={
            <Header variant="h1" description="Keys of a user, a session, or the root of an account. They stay in this tab.">
              Sign in to Neargate
            </Header>
          }
          actions={
            <Button variant="primary" loading={busy} disabled={!keys.accessKeyId || !keys.secretAccessKey}>
              Sign in
            </Button>
          }
        >
          <SpaceBetween size="l">
            {error !== undefined && (
              <Alert type="error" header={told(error).code}>
                {told(error).sentence}
              </Alert>
            )}
            <Container>
              <SpaceBetween size="m">
                {field('accessKeyId', 'Access key ID', 'text')}
                {field('secretAccessKey', 'Secret access key', 'password')}
                {field('sessionToken', 'Session token', 'password', 'Of temporary keys only.')}
              </SpaceBetween>
            </Container>
            <Box color="text-body-secondary" fontSize="body-s">
              The root keys of this installation are what <code>neargate env</code> prints to root on its host.
            </Box>
          </SpaceBetween>
        </Form>
      </form>
    </main>
  );
}
