import { Button, Container, Form, FormField, Header, Input, Select, SpaceBetween, Toggle } from '@cloudscape-design/components';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router-dom';
import { act } from '../../app/notices';
import { ecs, elbv2 } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Page } from '../../parts/Page';
import { DefinitionField } from './DefinitionField';
import { clusterHref, serviceHref } from './hrefs';
import { awsvpc, NetworkFields, NO_NETWORK } from './NetworkFields';

export default function CreateService() {
  const { cluster = '' } = useParams();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [family, setFamily] = useState('');
  const [count, setCount] = useState('1');
  const [exec, setExec] = useState(true);
  const [breaker, setBreaker] = useState(true);
  const [network, setNetwork] = useState(NO_NETWORK);
  const [group, setGroup] = useState('');
  const [busy, setBusy] = useState(false);
  const groups = useLive(['elbv2', 'target-groups'], async () => (await elbv2.describeTargetGroups({})).TargetGroups ?? [], 5000);
  const known = useLive(
    family ? ['ecs', 'task-definition', family] : undefined,
    async () => (await ecs.describeTaskDefinition({ taskDefinition: family })).taskDefinition,
    5000,
  );
  const container = known.data?.containerDefinitions?.find((c) => c.portMappings?.length);
  const create = async () => {
    setBusy(true);
    const answer = await act(`Create service ${name}`, () =>
      ecs.createService({
        cluster,
        serviceName: name,
        taskDefinition: family,
        desiredCount: Number(count),
        launchType: 'FARGATE',
        enableExecuteCommand: exec,
        networkConfiguration: awsvpc(network),
        deploymentConfiguration: { deploymentCircuitBreaker: { enable: breaker, rollback: breaker } },
        loadBalancers: group ? [{ targetGroupArn: group, containerName: container?.name, containerPort: container?.portMappings?.[0].containerPort }] : undefined,
      }),
    );
    setBusy(false);
    if (answer) navigate(serviceHref(cluster, name));
  };
  const options = [
    { value: '', label: 'None' },
    ...(groups.data ?? [])
      .filter((g) => g.TargetType === 'ip')
      .map((g) => ({ value: g.TargetGroupArn ?? '', label: g.TargetGroupName, description: `${g.Protocol} ${g.Port}` })),
  ];
  return (
    <Page
      title="Create service"
      crumbs={[
        ['Clusters', '/ecs/clusters'],
        [cluster, clusterHref(cluster)],
      ]}
    >
      <Form
        actions={
          <Button variant="primary" loading={busy} disabled={!family || !name || (group !== '' && !container)} onClick={() => void create()}>
            Create
          </Button>
        }
      >
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Service</Header>}>
            <SpaceBetween size="l">
              <DefinitionField value={family} onChange={setFamily} />
              <FormField label="Service name">
                <Input value={name} onChange={({ detail }) => setName(detail.value)} />
              </FormField>
              <FormField label="Desired tasks">
                <Input type="number" value={count} onChange={({ detail }) => setCount(detail.value)} />
              </FormField>
              <Toggle checked={breaker} onChange={({ detail }) => setBreaker(detail.checked)}>
                Roll back a deployment that fails (circuit breaker)
              </Toggle>
              <Toggle checked={exec} onChange={({ detail }) => setExec(detail.checked)}>
                Enable ECS Exec
              </Toggle>
            </SpaceBetween>
          </Container>
          <Container header={<Header variant="h2">Networking</Header>}>
            <NetworkFields value={network} onChange={setNetwork} />
          </Container>
          <Container header={<Header variant="h2">Load balancing</Header>}>
            <FormField
              label="Target group – optional"
              description="Its load balancer brings requests to the first port of the task definition's containers."
              errorText={group && known.data && !container ? 'No container of this task definition has a port.' : undefined}
            >
              <Select
                selectedOption={options.find((o) => o.value === group) ?? null}
                options={options}
                onChange={({ detail }) => setGroup(detail.selectedOption.value ?? '')}
              />
            </FormField>
          </Container>
        </SpaceBetween>
      </Form>
    </Page>
  );
}
