// What runs, what is wrong, and what happened.

import type { ServiceEvent } from '@aws-sdk/client-ecs';
import { Box, ColumnLayout, Container, Header, SpaceBetween } from '@cloudscape-design/components';
import type { ReactNode } from 'react';
import { cloudWatch, ecs, elbv2 } from '../aws/clients';
import { everything, useLive } from '../aws/live';
import { NavigateButton } from '../parts/NavigateButton';
import { ago } from '../parts/names';
import { Page } from '../parts/Page';
import { Rows } from '../parts/Rows';
import { Status } from '../parts/Status';
import { To } from '../parts/To';
import { clusters, services } from '../services/ecs/ask';
import { clusterHref, serviceHref } from '../services/ecs/hrefs';

interface Wrong {
  id: string;
  what: string;
  why: string;
  href: string;
}

async function look() {
  const all = await clusters();
  const running = (await Promise.all(all.map((c) => services(c.clusterArn ?? '')))).flat();
  const [alarms, balancers, definitions] = await Promise.all([
    everything(async (NextToken) => {
      const page = await cloudWatch.describeAlarms({ NextToken, StateValue: 'ALARM' });
      return { items: page.MetricAlarms, next: page.NextToken };
    }),
    everything(async (Marker) => {
      const page = await elbv2.describeLoadBalancers({ Marker });
      return { items: page.LoadBalancers, next: page.NextMarker };
    }),
    ecs.listTaskDefinitionFamilies({ status: 'ACTIVE' }),
  ]);
  const wrong: Wrong[] = [];
  const events: (ServiceEvent & { service: string; href: string })[] = [];
  for (const service of running) {
    const name = service.serviceName ?? '';
    const href = serviceHref(service.clusterArn?.split('/')[1] ?? '', name);
    const deployment = service.deployments?.[0];
    if (deployment?.rolloutState === 'FAILED') wrong.push({ id: href, what: `Service ${name}`, why: deployment.rolloutStateReason ?? 'Its deployment failed.', href });
    else if ((service.runningCount ?? 0) < (service.desiredCount ?? 0)) {
      wrong.push({ id: href, what: `Service ${name}`, why: `${service.runningCount} of ${service.desiredCount} tasks run.`, href });
    }
    events.push(...(service.events ?? []).slice(0, 10).map((event) => ({ ...event, service: name, href })));
  }
  for (const alarm of alarms) {
    wrong.push({ id: alarm.AlarmArn ?? '', what: `Alarm ${alarm.AlarmName}`, why: alarm.StateReason ?? '', href: '/cloudwatch/alarms' });
  }
  events.sort((a, b) => (b.createdAt?.getTime() ?? 0) - (a.createdAt?.getTime() ?? 0));
  return { all, running, wrong, balancers, families: definitions.families ?? [], events: events.slice(0, 100) };
}

export default function Overview() {
  const { data, loading, error } = useLive(['overview'], look);
  const tasks = data?.all.reduce((sum, c) => sum + (c.runningTasksCount ?? 0), 0);
  const pending = data?.all.reduce((sum, c) => sum + (c.pendingTasksCount ?? 0), 0);
  const isNew = data && data.running.length === 0 && tasks === 0;
  return (
    <Page
      title="Overview"
      description="ECS and Fargate on this machine."
      error={error}
      actions={
        <NavigateButton primary href="/start">
          Run a first service
        </NavigateButton>
      }
    >
      {isNew && (
        <Container header={<Header variant="h2">Nothing runs yet</Header>}>
          <SpaceBetween size="m">
            <Box variant="p">
              One form leads from nothing to a service behind a load balancer: a cluster, security groups, a target group, an Application Load Balancer, a
              task definition and the service.
            </Box>
            <NavigateButton href="/start">Begin</NavigateButton>
          </SpaceBetween>
        </Container>
      )}
      <Container header={<Header variant="h2">What runs</Header>}>
        <ColumnLayout columns={4} variant="text-grid">
          <Figure label="Clusters" href="/ecs/clusters">
            {data?.all.length}
          </Figure>
          <Figure label="Services" href="/ecs/clusters">
            {data?.running.length}
          </Figure>
          <Figure label={pending ? `Running tasks, ${pending} pending` : 'Running tasks'} href="/ecs/clusters">
            {tasks}
          </Figure>
          <Figure label="Load balancers" href="/load-balancers">
            {data?.balancers.length}
          </Figure>
        </ColumnLayout>
      </Container>
      <Rows
        title="What is wrong"
        live={{ data: data?.wrong, loading, error: undefined }}
        id={(w) => w.id}
        empty={<Status state="OK" why="every service runs as many tasks as it should, and no alarm is raised" />}
        columns={[
          { header: 'What', cell: (w) => <To href={w.href}>{w.what}</To>, by: (w) => w.what, width: 200 },
          { header: 'Why', cell: (w) => w.why, by: (w) => w.why, width: 340 },
        ]}
      />
      <Rows
        title="Services"
        live={{ data: data?.running, loading, error: undefined }}
        id={(s) => s.serviceArn ?? ''}
        size={10}
        columns={[
          { header: 'Service', cell: (s) => <To href={serviceHref(s.clusterArn?.split('/')[1] ?? '', s.serviceName ?? '')}>{s.serviceName}</To>, by: (s) => s.serviceName },
          { header: 'Cluster', cell: (s) => <To href={clusterHref(s.clusterArn)}>{s.clusterArn?.split('/')[1]}</To>, by: (s) => s.clusterArn },
          { header: 'Tasks', cell: (s) => `${s.runningCount} of ${s.desiredCount} running`, by: (s) => s.runningCount },
          { header: 'Last deployment', cell: (s) => <Status state={s.deployments?.[0]?.rolloutState} />, by: (s) => s.deployments?.[0]?.rolloutState },
        ]}
      />
      <Rows
        title="Recent events"
        live={{ data: data?.events, loading, error: undefined }}
        id={(e) => e.id ?? ''}
        size={10}
        columns={[
          { header: 'When', cell: (e) => ago(e.createdAt), by: (e) => e.createdAt?.getTime() },
          { header: 'Service', cell: (e) => <To href={e.href}>{e.service}</To>, by: (e) => e.service },
          { header: 'Message', cell: (e) => e.message, by: (e) => e.message, width: 380 },
        ]}
      />
    </Page>
  );
}

function Figure({ label, href, children }: { label: string; href: string; children: ReactNode }) {
  return (
    <div>
      <Box variant="awsui-key-label">{label}</Box>
      <To href={href} variant="primary" size="display-l">
        {children ?? '–'}
      </To>
    </div>
  );
}
