import { ColumnLayout, Container, Header } from '@cloudscape-design/components';
import { useParams } from 'react-router-dom';
import { ecs } from '../../aws/clients';
import { everything, inPieces, useLive } from '../../aws/live';
import { Copied, Facts, Json } from '../../parts/Facts';
import { Graph } from '../../parts/Graph';
import { shortName } from '../../parts/names';
import { Page } from '../../parts/Page';
import { PageTabs } from '../../parts/PageTabs';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { services, tasks } from './ask';
import { ServiceRows, TaskRows } from './tables';

export default function ClusterPage() {
  const { cluster = '' } = useParams();
  const { data, error } = useLive(['ecs', 'cluster', cluster], async () => {
    const answer = await ecs.describeClusters({ clusters: [cluster], include: ['SETTINGS', 'CONFIGURATIONS', 'STATISTICS', 'TAGS'] });
    return answer.clusters?.[0];
  });
  return (
    <Page title={cluster} crumbs={[['Clusters', '/ecs/clusters']]} error={error}>
      <Facts
        facts={[
          ['Status', <Status key="s" state={data?.status} />],
          ['Services', data?.activeServicesCount],
          ['Running tasks', data?.runningTasksCount],
          ['ARN', <Copied key="a" text={data?.clusterArn} />],
        ]}
      />
      <PageTabs
        label="Cluster"
        tabs={[
          { id: 'services', label: 'Services', content: <Services cluster={cluster} /> },
          { id: 'tasks', label: 'Tasks', content: <Tasks cluster={cluster} /> },
          { id: 'infrastructure', label: 'Infrastructure', content: <Instances cluster={cluster} /> },
          { id: 'metrics', label: 'Metrics', content: <Metrics cluster={cluster} /> },
          { id: 'json', label: 'JSON', content: <Json value={data} /> },
        ]}
      />
    </Page>
  );
}

function Services({ cluster }: { cluster: string }) {
  return <ServiceRows cluster={cluster} live={useLive(['ecs', 'services', cluster], () => services(cluster))} />;
}

function Tasks({ cluster }: { cluster: string }) {
  return <TaskRows cluster={cluster} live={useLive(['ecs', 'tasks', cluster], () => tasks(cluster))} />;
}

function Instances({ cluster }: { cluster: string }) {
  const live = useLive(['ecs', 'instances', cluster], async () => {
    const arns = await everything(async (nextToken) => {
      const page = await ecs.listContainerInstances({ cluster, nextToken, maxResults: 100 });
      return { items: page.containerInstanceArns, next: page.nextToken };
    });
    return inPieces(arns, 100, async (containerInstances) => (await ecs.describeContainerInstances({ cluster, containerInstances })).containerInstances);
  });
  const room = (all: { name?: string; integerValue?: number }[] | undefined, name: string) => all?.find((r) => r.name === name)?.integerValue;
  return (
    <Rows
      title="Container instances"
      live={live}
      id={(i) => shortName(i.containerInstanceArn)}
      empty="No container instances. Fargate tasks need none."
      columns={[
        { header: 'Container instance', cell: (i) => shortName(i.containerInstanceArn), by: (i) => shortName(i.containerInstanceArn), width: 280 },
        { header: 'EC2 instance', cell: (i) => i.ec2InstanceId, by: (i) => i.ec2InstanceId },
        { header: 'Status', cell: (i) => <Status state={i.status} />, by: (i) => i.status },
        { header: 'Agent connected', cell: (i) => (i.agentConnected ? 'Yes' : 'No') },
        { header: 'Running tasks', cell: (i) => i.runningTasksCount, by: (i) => i.runningTasksCount },
        { header: 'CPU free', cell: (i) => `${room(i.remainingResources, 'CPU')} of ${room(i.registeredResources, 'CPU')}` },
        { header: 'Memory free', cell: (i) => `${room(i.remainingResources, 'MEMORY')} of ${room(i.registeredResources, 'MEMORY')} MiB` },
        { header: 'Capacity provider', cell: (i) => i.capacityProviderName ?? '–' },
      ]}
    />
  );
}

function Metrics({ cluster }: { cluster: string }) {
  const all = useLive(['ecs', 'services', cluster], () => services(cluster));
  const names = (all.data ?? []).slice(0, 8).map((s) => s.serviceName ?? '');
  const of = (name: string) =>
    names.map((service) => ({ title: service, namespace: 'AWS/ECS', name, dimensions: { ClusterName: cluster, ServiceName: service } }));
  return (
    <ColumnLayout columns={2}>
      <Container header={<Header variant="h3">CPU of services</Header>}>
        {names.length > 0 && <Graph title="CPU of services" metrics={of('CPUUtilization')} unit="%" />}
      </Container>
      <Container header={<Header variant="h3">Memory of services</Header>}>
        {names.length > 0 && <Graph title="Memory of services" metrics={of('MemoryUtilization')} unit="%" />}
      </Container>
    </ColumnLayout>
  );
}
