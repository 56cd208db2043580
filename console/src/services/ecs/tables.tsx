// The tables of services and tasks, which several pages show.

import type { Service, Task } from '@aws-sdk/client-ecs';
import { ecs } from '../../aws/clients';
import type { Live } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { ago, revisionName, shortName } from '../../parts/names';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { To } from '../../parts/To';
import { serviceHref, taskDefinitionHref, taskHref } from './hrefs';
import { NavigateButton } from '../../parts/NavigateButton';

export function ServiceRows({ cluster, live }: { cluster: string; live: Live<Service[]> }) {
  return (
    <Rows
      title="Services"
      live={live}
      id={(s) => s.serviceName ?? ''}
      empty="This cluster has no services."
      actions={
        <NavigateButton primary href={`/ecs/clusters/${cluster}/create-service`}>
          Create service
        </NavigateButton>
      }
      columns={[
        { header: 'Service', cell: (s) => <To href={serviceHref(cluster, s.serviceName ?? '')}>{s.serviceName}</To>, by: (s) => s.serviceName, width: 160 },
        { header: 'Status', cell: (s) => <Status state={s.status} />, by: (s) => s.status },
        { header: 'Tasks', cell: (s) => `${s.runningCount} of ${s.desiredCount} running${s.pendingCount ? `, ${s.pendingCount} pending` : ''}`, by: (s) => s.runningCount, width: 170 },
        { header: 'Last deployment', cell: (s) => <Status state={s.deployments?.[0]?.rolloutState} />, by: (s) => s.deployments?.[0]?.rolloutState, width: 150 },
        { header: 'Task definition', cell: (s) => <To href={taskDefinitionHref(s.taskDefinition)}>{revisionName(s.taskDefinition)}</To>, by: (s) => revisionName(s.taskDefinition), width: 150 },
        { header: 'Launch type', cell: (s) => s.launchType ?? s.capacityProviderStrategy?.map((c) => c.capacityProvider).join(', ') ?? '–', by: (s) => s.launchType },
      ]}
    />
  );
}

export function TaskRows({ cluster, live, runs = true }: { cluster: string; live: Live<Task[]>; runs?: boolean }) {
  return (
    <Rows
      title="Tasks"
      live={live}
      id={(t) => shortName(t.taskArn)}
      choose="multi"
      empty="No tasks run here, and none has stopped lately."
      actions={(chosen) => {
        const running = chosen.filter((t) => t.desiredStatus !== 'STOPPED');
        return (
          <>
            <Confirm
              verb="Stop"
              what={running.length === 1 ? `task ${shortName(running[0].taskArn)}` : `${running.length} tasks`}
              disabled={running.length === 0}
              consequence="A service starts another task in its place."
              action={() => Promise.all(running.map((t) => ecs.stopTask({ cluster, task: t.taskArn, reason: 'Stopped in the console' })))}
            />
            {runs && (
              <NavigateButton primary href={`/ecs/clusters/${cluster}/run-task`}>
                Run task
              </NavigateButton>
            )}
          </>
        );
      }}
      columns={[
        { header: 'Task', cell: (t) => <To href={taskHref(t.taskArn ?? '')}>{shortName(t.taskArn)}</To>, by: (t) => shortName(t.taskArn), width: 290 },
        { header: 'Last status', cell: (t) => <Status state={t.lastStatus} />, by: (t) => t.lastStatus },
        { header: 'Desired', cell: (t) => t.desiredStatus, by: (t) => t.desiredStatus },
        { header: 'Health', cell: (t) => <Status state={t.healthStatus} />, by: (t) => t.healthStatus },
        { header: 'Task definition', cell: (t) => <To href={taskDefinitionHref(t.taskDefinitionArn)}>{revisionName(t.taskDefinitionArn)}</To>, by: (t) => revisionName(t.taskDefinitionArn), width: 140 },
        { header: 'Group', cell: (t) => t.group, by: (t) => t.group },
        { header: 'Created', cell: (t) => ago(t.createdAt), by: (t) => t.createdAt?.getTime() },
        { header: 'Why it stopped', cell: (t) => t.stoppedReason ?? '–', by: (t) => t.stoppedReason, width: 200 },
      ]}
    />
  );
}
