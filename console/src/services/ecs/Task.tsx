import type { Task } from '@aws-sdk/client-ecs';
import { Box, SpaceBetween } from '@cloudscape-design/components';
import { lazy, Suspense } from 'react';
import { useParams } from 'react-router-dom';
import { ecs } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { Copied, Facts, Json } from '../../parts/Facts';
import { LogLines } from '../../parts/LogLines';
import { revisionName, shortName, time } from '../../parts/names';
import { Page } from '../../parts/Page';
import { PageTabs } from '../../parts/PageTabs';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { To } from '../../parts/To';
import { clusterHref, serviceHref, taskDefinitionHref } from './hrefs';
import { logsOf, streamOf } from './logs';

const Exec = lazy(() => import('./exec/Exec'));

export default function TaskPage() {
  const { cluster = '', task: id = '' } = useParams();
  const { data, error } = useLive(['ecs', 'task', cluster, id], async () => {
    const answer = await ecs.describeTasks({ cluster, tasks: [id] });
    const failure = answer.failures?.[0];
    if (failure) throw Object.assign(new Error(`The task ${id} is not known in ${cluster}.`), { name: failure.reason ?? 'MISSING' });
    return answer.tasks?.[0];
  });
  const service = data?.group?.startsWith('service:') ? data.group.slice('service:'.length) : undefined;
  return (
    <Page
      title={id}
      crumbs={[
        ['Clusters', '/ecs/clusters'],
        [cluster, clusterHref(cluster)],
        ...(service ? [[service, `${serviceHref(cluster, service)}?tab=tasks`] as [string, string]] : [['Tasks', `${clusterHref(cluster)}?tab=tasks`] as [string, string]]),
      ]}
      error={error}
      actions={
        <Confirm
          verb="Stop"
          what={`task ${id}`}
          disabled={!data || data.desiredStatus === 'STOPPED'}
          consequence={service ? `The service ${service} starts another task in its place.` : undefined}
          action={() => ecs.stopTask({ cluster, task: id, reason: 'Stopped in the console' })}
        />
      }
    >
      <Facts
        facts={[
          ['Last status', <Status key="s" state={data?.lastStatus} why={data?.stoppedReason} />],
          ['Health', <Status key="h" state={data?.healthStatus} />],
          ['Task definition', <To key="t" href={taskDefinitionHref(data?.taskDefinitionArn)}>{revisionName(data?.taskDefinitionArn)}</To>],
          ['Group', service ? <To key="g" href={serviceHref(cluster, service)}>{data?.group}</To> : data?.group],
          ['Private address', <Copied key="p" text={addressOf(data)} />],
          ['Size', data && `${data.cpu} CPU units, ${data.memory} MiB`],
          ['Started', time(data?.startedAt)],
          ['Stopped', time(data?.stoppedAt)],
        ]}
      />
      <PageTabs
        label="Task"
        tabs={[
          { id: 'containers', label: 'Containers', content: <Containers task={data} /> },
          { id: 'logs', label: 'Logs', content: <Logs task={data} /> },
          {
            id: 'exec',
            label: 'Terminal',
            content: (
              <Suspense fallback={null}>
                <Exec cluster={cluster} task={data} />
              </Suspense>
            ),
          },
          { id: 'json', label: 'JSON', content: <Json value={data} /> },
        ]}
      />
    </Page>
  );
}

function addressOf(task: Task | undefined): string | undefined {
  const details = task?.attachments?.find((a) => a.type === 'ElasticNetworkInterface')?.details;
  return details?.find((d) => d.name === 'privateIPv4Address')?.value ?? task?.containers?.[0]?.networkInterfaces?.[0]?.privateIpv4Address;
}

function Containers({ task }: { task: Task | undefined }) {
  return (
    <Rows
      title="Containers"
      live={{ data: task?.containers, loading: !task, error: undefined }}
      id={(c) => c.name ?? ''}
      columns={[
        { header: 'Container', cell: (c) => c.name, by: (c) => c.name },
        { header: 'Status', cell: (c) => <Status state={c.lastStatus} />, by: (c) => c.lastStatus },
        { header: 'Health', cell: (c) => <Status state={c.healthStatus} />, by: (c) => c.healthStatus },
        { header: 'Image', cell: (c) => c.image, by: (c) => c.image, width: 280 },
        { header: 'Exit code', cell: (c) => c.exitCode ?? '–', by: (c) => c.exitCode },
        { header: 'Reason', cell: (c) => c.reason ?? '–', width: 200 },
        { header: 'Image digest', cell: (c) => <Copied text={c.imageDigest} />, width: 200 },
        { header: 'Runtime ID', cell: (c) => shortName(c.runtimeId), width: 160 },
      ]}
    />
  );
}

function Logs({ task }: { task: Task | undefined }) {
  const name = task?.taskDefinitionArn;
  const { data } = useLive(
    name ? ['ecs', 'task-definition', name] : undefined,
    async () => (await ecs.describeTaskDefinition({ taskDefinition: name })).taskDefinition,
    60_000,
  );
  const id = shortName(task?.taskArn);
  const followed = (data?.containerDefinitions ?? []).flatMap((container) => {
    const [group, stream] = [logsOf(container)?.group, streamOf(container, id)];
    return group && stream ? [{ container: container.name ?? '', group, stream }] : [];
  });
  if (data && followed.length === 0) return <Box>No container of this task writes to CloudWatch Logs.</Box>;
  return (
    <SpaceBetween size="l">
      {followed.map(({ container, group, stream }) => (
        <LogLines key={container} title={container} group={group} streams={[stream]} minutes={24 * 60} />
      ))}
    </SpaceBetween>
  );
}
