import { ecs } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Page } from '../../parts/Page';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { To } from '../../parts/To';
import { clusters } from './ask';
import { clusterHref } from './hrefs';

export default function Clusters() {
  const live = useLive(['ecs', 'clusters'], clusters);
  return (
    <Page title="Clusters" bare error={live.error}>
      <Rows
        full
        title="Clusters"
        live={live}
        id={(cluster) => cluster.clusterName ?? ''}
        choose="single"
        actions={(chosen) => (
          <>
            <Confirm
              verb="Delete"
              what={chosen[0]?.clusterName ?? ''}
              disabled={chosen.length === 0}
              consequence="The cluster must have no services, tasks or container instances."
              action={() => ecs.deleteCluster({ cluster: chosen[0].clusterName })}
            />
            <Ask
              primary
              verb="Create cluster"
              title="Create cluster"
              fields={[{ name: 'clusterName', label: 'Cluster name' }]}
              what={({ clusterName }) => `Create cluster ${clusterName}`}
              action={({ clusterName }) => ecs.createCluster({ clusterName })}
            />
          </>
        )}
        empty="No clusters. Create one, or let “Run a first service” do it."
        columns={[
          { header: 'Cluster', cell: (c) => <To href={clusterHref(c.clusterName)}>{c.clusterName}</To>, by: (c) => c.clusterName, width: 180 },
          { header: 'Status', cell: (c) => <Status state={c.status} />, by: (c) => c.status },
          { header: 'Services', cell: (c) => c.activeServicesCount, by: (c) => c.activeServicesCount },
          { header: 'Running tasks', cell: (c) => c.runningTasksCount, by: (c) => c.runningTasksCount },
          { header: 'Pending tasks', cell: (c) => c.pendingTasksCount, by: (c) => c.pendingTasksCount },
          { header: 'Container instances', cell: (c) => c.registeredContainerInstancesCount, by: (c) => c.registeredContainerInstancesCount },
        ]}
      />
    </Page>
  );
}
