// The first service: a form, the steps as they are done, and the address that answers in the end.

import { Alert, Button, ColumnLayout, Container, Form, FormField, Header, Input, Link, SpaceBetween, StatusIndicator } from '@cloudscape-design/components';
import { useState } from 'react';
import { ecs, elbv2 } from '../../aws/clients';
import { refresh, useLive } from '../../aws/live';
import { NavigateButton } from '../../parts/NavigateButton';
import { Page } from '../../parts/Page';
import { serviceHref } from '../../services/ecs/hrefs';
import { ImageField } from '../../services/ecs/ImageField';
import { told } from '../notices';
import { type Made, STEPS, type Wanted } from './steps';

const FIRST: Wanted = { name: 'web', cluster: 'default', image: '', port: '80', command: '', path: '/', count: '2' };

export default function Start() {
  const [wanted, setWanted] = useState(FIRST);
  /** How many steps are done; `undefined`: nothing was begun. */
  const [done, setDone] = useState<number>();
  const [made, setMade] = useState<Made>({});
  const [error, setError] = useState<unknown>();
  const change = (part: Partial<Wanted>) => setWanted({ ...wanted, ...part });
  const busy = done !== undefined && done < STEPS.length && error === undefined;
  const go = async () => {
    setError(undefined);
    let sofar: Made = done === undefined ? {} : made;
    for (let at = done ?? 0; at < STEPS.length; at += 1) {
      setDone(at);
      try {
        sofar = { ...sofar, ...(await STEPS[at].go(wanted, sofar)) };
        setMade(sofar);
      } catch (refusal) {
        setError(refusal);
        return;
      }
    }
    setDone(STEPS.length);
    refresh();
  };
  const text = (name: keyof Wanted, label: string, description?: string, number?: boolean) => (
    <FormField label={label} description={description}>
      <Input type={number ? 'number' : 'text'} value={wanted[name]} disabled={done !== undefined} onChange={({ detail }) => change({ [name]: detail.value })} />
    </FormField>
  );
  const good = wanted.name && wanted.cluster && wanted.image && Number(wanted.port) && wanted.path.startsWith('/');
  return (
    <Page
      title="Run a first service"
      description="From an image to tasks behind a load balancer. The commands of each step are in the pane at the right."
    >
      <Form
        actions={
          <Button variant="primary" loading={busy} disabled={!good || done === STEPS.length} onClick={() => void go()}>
            {error === undefined ? 'Run' : 'Try again'}
          </Button>
        }
      >
        <Container header={<Header variant="h2">The service</Header>}>
          <SpaceBetween size="l">
            <ImageField value={wanted.image} onChange={(image) => change({ image })} />
            <ColumnLayout columns={2}>
              {text('name', 'Name', 'Of the service and of what is made for it.')}
              {text('cluster', 'Cluster')}
              {text('port', 'Container port', 'The port that the container listens on.', true)}
              {text('count', 'Tasks', undefined, true)}
              {text('command', 'Command – optional', 'In place of the image’s own.')}
              {text('path', 'Health check path', 'It must answer 200.')}
            </ColumnLayout>
          </SpaceBetween>
        </Container>
      </Form>
      {done !== undefined && (
        <Container header={<Header variant="h2">Progress</Header>}>
          <SpaceBetween size="xs">
            {STEPS.map(({ title }, at) => (
              <StatusIndicator key={title} type={at < done ? 'success' : at > done ? 'pending' : error ? 'error' : 'in-progress'}>
                {title}
              </StatusIndicator>
            ))}
            {error !== undefined && (
              <Alert type="error" header={told(error).code}>
                {told(error).sentence}
              </Alert>
            )}
            {done === STEPS.length && <Arrival wanted={wanted} made={made} />}
          </SpaceBetween>
        </Container>
      )}
    </Page>
  );
}

/** Waits for tasks that run and targets that are healthy, and says where they answer. */
function Arrival({ wanted, made }: { wanted: Wanted; made: Made }) {
  const { data } = useLive(['start', wanted.cluster, wanted.name], async () => {
    const [services, health] = await Promise.all([
      ecs.describeServices({ cluster: wanted.cluster, services: [wanted.name] }),
      elbv2.describeTargetHealth({ TargetGroupArn: made.targetGroup }),
    ]);
    const healthy = (health.TargetHealthDescriptions ?? []).filter((t) => t.TargetHealth?.State === 'healthy').length;
    return { service: services.services?.[0], healthy };
  });
  const desired = data?.service?.desiredCount ?? Number(wanted.count);
  const running = data?.service?.runningCount ?? 0;
  const healthy = data?.healthy ?? 0;
  const up = healthy >= desired && running >= desired;
  const last = data?.service?.events?.[0]?.message;
  return (
    <SpaceBetween size="m">
      <StatusIndicator type={running >= desired ? 'success' : 'in-progress'}>
        {running} of {desired} tasks run
      </StatusIndicator>
      <StatusIndicator type={up ? 'success' : 'in-progress'}>
        {healthy} of {desired} targets are healthy
      </StatusIndicator>
      {up ? (
        <Alert type="success" header="Your service answers">
          <Link href={`http://${made.address}`} external externalIconAriaLabel="Opens in a new tab">
            http://{made.address}
          </Link>
        </Alert>
      ) : (
        last && <StatusIndicator type="info">{last}</StatusIndicator>
      )}
      <NavigateButton href={serviceHref(wanted.cluster, wanted.name)}>Open the service</NavigateButton>
    </SpaceBetween>
  );
}
