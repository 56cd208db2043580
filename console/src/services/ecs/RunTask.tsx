import { Button, Container, Form, FormField, Header, Input, Select, SpaceBetween, Toggle } from '@cloudscape-design/components';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router-dom';
import { act } from '../../app/notices';
import { ecs } from '../../aws/clients';
import { Page } from '../../parts/Page';
import { DefinitionField } from './DefinitionField';
import { clusterHref, taskHref } from './hrefs';
import { awsvpc, NetworkFields, NO_NETWORK } from './NetworkFields';

const LAUNCH_TYPES = ['FARGATE', 'EC2'];

export default function RunTask() {
  const { cluster = '' } = useParams();
  const navigate = useNavigate();
  const [family, setFamily] = useState('');
  const [count, setCount] = useState('1');
  const [launchType, setLaunchType] = useState('FARGATE');
  const [exec, setExec] = useState(true);
  const [network, setNetwork] = useState(NO_NETWORK);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    const answer = await act(`Run task ${family}`, async () => {
      const answer = await ecs.runTask({
        cluster,
        taskDefinition: family,
        count: Number(count),
        launchType: launchType as 'FARGATE' | 'EC2',
        enableExecuteCommand: exec,
        networkConfiguration: launchType === 'FARGATE' ? awsvpc(network) : undefined,
      });
      const failure = answer.failures?.[0];
      if (failure) throw Object.assign(new Error(failure.detail ?? failure.arn ?? ''), { name: failure.reason ?? 'Failure' });
      return answer;
    });
    setBusy(false);
    if (!answer) return;
    const tasks = answer.tasks ?? [];
    navigate(tasks.length === 1 ? taskHref(tasks[0].taskArn ?? '') : `${clusterHref(cluster)}?tab=tasks`);
  };
  return (
    <Page
      title="Run task"
      crumbs={[
        ['Clusters', '/ecs/clusters'],
        [cluster, clusterHref(cluster)],
      ]}
    >
      <Form
        actions={
          <Button variant="primary" loading={busy} disabled={!family || !Number(count)} onClick={() => void run()}>
            Run
          </Button>
        }
      >
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Task</Header>}>
            <SpaceBetween size="l">
              <DefinitionField value={family} onChange={setFamily} />
              <FormField label="Launch type">
                <Select
                  selectedOption={{ value: launchType, label: launchType }}
                  options={LAUNCH_TYPES.map((value) => ({ value, label: value }))}
                  onChange={({ detail }) => setLaunchType(detail.selectedOption.value ?? 'FARGATE')}
                />
              </FormField>
              <FormField label="Tasks" constraintText="Ten at most in one call.">
                <Input type="number" value={count} onChange={({ detail }) => setCount(detail.value)} />
              </FormField>
              <Toggle checked={exec} onChange={({ detail }) => setExec(detail.checked)}>
                Enable ECS Exec
              </Toggle>
            </SpaceBetween>
          </Container>
          {launchType === 'FARGATE' && (
            <Container header={<Header variant="h2">Networking</Header>}>
              <NetworkFields value={network} onChange={setNetwork} />
            </Container>
          )}
        </SpaceBetween>
      </Form>
    </Page>
  );
}
