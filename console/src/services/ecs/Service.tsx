import type { Deployment, Service } from '@aws-sdk/client-ecs';
import { Box, ColumnLayout, Container, Header, ProgressBar, SpaceBetween } from '@cloudscape-design/components';
import { useNavigate, useParams } from 'react-router-dom';
import { ecs } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Copied, Facts, Json } from '../../parts/Facts';
import { Graph } from '../../parts/Graph';
import { LogLines } from '../../parts/LogLines';
import { ago, revisionName, shortName, time } from '../../parts/names';
import { Page } from '../../parts/Page';
import { PageTabs } from '../../parts/PageTabs';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { To } from '../../parts/To';
import { revisions, tasks } from './ask';
import { clusterHref, taskDefinitionHref } from './hrefs';
import { logsOf } from './logs';
import { TaskRows } from './tables';
import { Targets } from './Targets';

export default function ServicePage() {
  const { cluster = '', service = '' } = useParams();
  const navigate = useNavigate();
  const { data, error } = useLive(['ecs', 'service', cluster, service], async () => {
    const answer = await ecs.describeServices({ cluster, services: [service], include: ['TAGS'] });
    if (!answer.services?.[0]) throw Object.assign(new Error('Service not found.'), { name: 'ServiceNotFoundException' });
    return answer.services[0];
  });
  const family = revisionName(data?.taskDefinition).split(':')[0];
  const known = useLive(family ? ['ecs', 'revisions', family] : undefined, () => revisions(family), 5000);
  const names = (known.data ?? []).map(revisionName);
  return (
    <Page
      title={service}
      crumbs={[
        ['Clusters', '/ecs/clusters'],
        [cluster, clusterHref(cluster)],
      ]}
      error={error}
      actions={
        <SpaceBetween size="xs" direction="horizontal">
          <Confirm
            verb="Delete"
            what={service}
            typed
            consequence="Its tasks are stopped."
            action={() => ecs.deleteService({ cluster, service, force: true })}
            onDone={() => navigate(clusterHref(cluster))}
          />
          <Ask
            verb="Force new deployment"
            title={`Force new deployment of ${service}`}
            fields={[]}
            action={() => ecs.updateService({ cluster, service, forceNewDeployment: true })}
          />
          <Ask
            key={`${data?.desiredCount}${data?.taskDefinition}`}
            primary
            verb="Update"
            title={`Update ${service}`}
            disabled={!data}
            fields={[
              { name: 'desiredCount', label: 'Desired tasks', kind: 'number', value: String(data?.desiredCount ?? '') },
              { name: 'taskDefinition', label: 'Task definition', kind: { options: names }, value: revisionName(data?.taskDefinition) },
            ]}
            action={({ desiredCount, taskDefinition }) => ecs.updateService({ cluster, service, desiredCount: Number(desiredCount), taskDefinition })}
          />
        </SpaceBetween>
      }
    >
      <Facts
        facts={[
          ['Status', <Status key="s" state={data?.status} />],
          ['Tasks', data && `${data.runningCount} of ${data.desiredCount} running${data.pendingCount ? `, ${data.pendingCount} pending` : ''}`],
          ['Task definition', <To key="t" href={taskDefinitionHref(data?.taskDefinition)}>{revisionName(data?.taskDefinition)}</To>],
          ['Last deployment', <Status key="d" state={data?.deployments?.[0]?.rolloutState} />],
          ['Created', time(data?.createdAt)],
          ['Launch type', data?.launchType ?? data?.capacityProviderStrategy?.map((c) => c.capacityProvider).join(', ')],
          ['Circuit breaker', breaker(data)],
          ['ARN', <Copied key="a" text={data?.serviceArn} />],
        ]}
      />
      <PageTabs
        label="Service"
        tabs={[
          { id: 'deployments', label: 'Deployments', content: <Deployments service={data} /> },
          { id: 'tasks', label: 'Tasks', content: <Tasks cluster={cluster} service={service} /> },
          { id: 'logs', label: 'Logs', content: <Logs taskDefinition={data?.taskDefinition} /> },
          { id: 'metrics', label: 'Metrics', content: <Metrics cluster={cluster} service={service} /> },
          { id: 'health', label: 'Load balancing', content: <Targets service={data} /> },
          { id: 'json', label: 'JSON', content: <Json value={data} /> },
        ]}
      />
    </Page>
  );
}

function breaker(service: Service | undefined): string {
  const breaker = service?.deploymentConfiguration?.deploymentCircuitBreaker;
  if (!breaker?.enable) return 'Off';
  return breaker.rollback ? 'On, rolls back' : 'On';
}

function Deployments({ service }: { service: Service | undefined }) {
  return (
    <SpaceBetween size="l">
      <Rows
        title="Deployments"
        live={{ data: service?.deployments, loading: !service, error: undefined }}
        id={(d) => d.id ?? ''}
        columns={[
          { header: 'Deployment', cell: (d) => d.id, by: (d) => d.id, width: 210 },
          { header: 'Status', cell: (d) => <Status state={d.status} />, by: (d) => d.status },
          { header: 'Rollout', cell: (d) => <Status state={d.rolloutState} />, by: (d) => d.rolloutState, width: 140 },
          { header: 'Progress', cell: (d) => <Progress deployment={d} />, width: 200 },
          { header: 'Failed tasks', cell: (d) => d.failedTasks ?? 0, by: (d) => d.failedTasks },
          { header: 'Task definition', cell: (d) => <To href={taskDefinitionHref(d.taskDefinition)}>{revisionName(d.taskDefinition)}</To>, width: 140 },
          { header: 'Reason', cell: (d) => d.rolloutStateReason ?? '–', width: 240 },
        ]}
      />
      <Rows
        title="Events"
        live={{ data: service?.events, loading: !service, error: undefined }}
        id={(e) => e.id ?? ''}
        size={25}
        columns={[
          { header: 'When', cell: (e) => <span title={ago(e.createdAt)}>{time(e.createdAt)}</span>, by: (e) => e.createdAt?.getTime(), width: 190 },
          { header: 'Message', cell: (e) => e.message, by: (e) => e.message, width: 400 },
        ]}
      />
    </SpaceBetween>
  );
}

function Progress({ deployment }: { deployment: Deployment }) {
  const { runningCount = 0, desiredCount = 0 } = deployment;
  const share = desiredCount ? Math.min(100, (100 * runningCount) / desiredCount) : runningCount ? 0 : 100;
  return (
    <ProgressBar
      value={share}
      ariaLabel={`Tasks of ${deployment.id}`}
      description={`${runningCount} of ${desiredCount} running`}
      status={deployment.rolloutState === 'FAILED' ? 'error' : 'in-progress'}
      resultText={deployment.rolloutState === 'FAILED' ? 'Failed' : undefined}
    />
  );
}

function Tasks({ cluster, service }: { cluster: string; service: string }) {
  return <TaskRows cluster={cluster} runs={false} live={useLive(['ecs', 'tasks', cluster, service], () => tasks(cluster, service))} />;
}

function Logs({ taskDefinition }: { taskDefinition: string | undefined }) {
  const { data } = useLive(
    taskDefinition ? ['ecs', 'task-definition', taskDefinition] : undefined,
    async () => (await ecs.describeTaskDefinition({ taskDefinition })).taskDefinition,
    60_000,
  );
  const groups = [...new Set((data?.containerDefinitions ?? []).map((c) => logsOf(c)?.group).filter((g) => g !== undefined))];
  if (data && groups.length === 0) return <Box>No container of {shortName(taskDefinition)} writes to CloudWatch Logs.</Box>;
  return (
    <SpaceBetween size="l">
      {groups.map((group) => (
        <LogLines key={group} group={group} />
      ))}
    </SpaceBetween>
  );
}

function Metrics({ cluster, service }: { cluster: string; service: string }) {
  const metric = (name: string, title: string) => [
    { title: 'Average', namespace: 'AWS/ECS', name, dimensions: { ClusterName: cluster, ServiceName: service } },
    { title: 'Maximum', namespace: 'AWS/ECS', name, dimensions: { ClusterName: cluster, ServiceName: service }, statistic: 'Maximum' },
  ].map((m) => ({ ...m, title: `${title} ${m.title.toLowerCase()}` }));
  return (
    <ColumnLayout columns={2}>
      <Container header={<Header variant="h3">CPU utilization</Header>}>
        <Graph title="CPU utilization" metrics={metric('CPUUtilization', 'CPU')} unit="%" />
      </Container>
      <Container header={<Header variant="h3">Memory utilization</Header>}>
        <Graph title="Memory utilization" metrics={metric('MemoryUtilization', 'Memory')} unit="%" />
      </Container>
    </ColumnLayout>
  );
}
