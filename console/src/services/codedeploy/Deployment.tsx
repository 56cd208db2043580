import { Button, ProgressBar, SpaceBetween } from '@cloudscape-design/components';
import { act } from '../../app/notices';
import { codeDeploy } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { detailPage } from '../../parts/listing';
import { shortName, time } from '../../parts/names';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';

export default detailPage({
  from: ['Deployments', '/deployments'],
  key: 'codedeploy-deployment',
  get: async (deploymentId) => (await codeDeploy.getDeployment({ deploymentId })).deploymentInfo,
  facts: (d) => [
    ['Status', <Status key="s" state={d.status} why={d.errorInformation?.message} />],
    ['Application', d.applicationName],
    ['Group', d.deploymentGroupName],
    ['Configuration', d.deploymentConfigName],
    ['Begun', time(d.createTime)],
    ['Ended', time(d.completeTime)],
    ['Rolled back by', d.rollbackInfo?.rollbackDeploymentId],
    ['By', d.creator],
  ],
  tabs: (_, id) => [{ id: 'steps', label: 'Traffic and steps', content: <Steps id={id} /> }],
  actions: (d, id) => (
    <>
      <Confirm
        verb="Stop and roll back"
        what={id}
        disabled={!['Created', 'Queued', 'InProgress', 'Ready'].includes(d.status ?? '')}
        consequence="Traffic goes back to the tasks that were there before."
        action={() => codeDeploy.stopDeployment({ deploymentId: id, autoRollbackEnabled: true })}
      />
      <Button
        disabled={d.status !== 'Ready'}
        variant="primary"
        onClick={() => void act('Reroute traffic', () => codeDeploy.continueDeployment({ deploymentId: id, deploymentWaitType: 'READY_WAIT' }))}
      >
        Reroute traffic
      </Button>
    </>
  ),
});

function Steps({ id }: { id: string }) {
  const live = useLive(['codedeploy-targets', id], async () => {
    const { targetIds } = await codeDeploy.listDeploymentTargets({ deploymentId: id });
    if (!targetIds?.length) return [];
    const { deploymentTargets } = await codeDeploy.batchGetDeploymentTargets({ deploymentId: id, targetIds });
    return deploymentTargets ?? [];
  });
  const target = live.data?.[0]?.ecsTarget;
  return (
    <SpaceBetween size="l">
      <Rows
        title="Task sets"
        live={{ ...live, data: target?.taskSetsInfo ?? live.data?.flatMap(() => []) }}
        id={(t) => t.identifer ?? ''}
        columns={[
          { header: 'Task set', cell: (t) => `${t.taskSetLabel} ${shortName(t.identifer)}`, width: 240 },
          { header: 'Status', cell: (t) => <Status state={t.status} /> },
          { header: 'Tasks', cell: (t) => `${t.runningCount} of ${t.desiredCount} running` },
          { header: 'Traffic', cell: (t) => <ProgressBar value={t.trafficWeight ?? 0} ariaLabel={`Traffic of ${t.taskSetLabel}`} />, width: 220 },
        ]}
      />
      <Rows
        title="Steps"
        live={{ ...live, data: target?.lifecycleEvents ?? live.data?.flatMap(() => []) }}
        id={(e) => e.lifecycleEventName ?? ''}
        columns={[
          { header: 'Step', cell: (e) => e.lifecycleEventName, width: 220 },
          { header: 'Status', cell: (e) => <Status state={e.status} /> },
          { header: 'Begun', cell: (e) => time(e.startTime), width: 180 },
          { header: 'Ended', cell: (e) => time(e.endTime), width: 180 },
          { header: 'What was said', cell: (e) => e.diagnostics?.message || '–', width: 220 },
        ]}
      />
    </SpaceBetween>
  );
}
