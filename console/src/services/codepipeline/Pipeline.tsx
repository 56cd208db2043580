import type { ActionState, StageState } from '@aws-sdk/client-codepipeline';
import { Box, Button, Container, Header, SpaceBetween } from '@cloudscape-design/components';
import { act } from '../../app/notices';
import { codePipeline } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { ago, time } from '../../parts/names';
import { detailPage } from '../../parts/listing';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';

export default detailPage({
  from: ['Pipelines', '/pipelines'],
  key: 'codepipeline-pipeline',
  get: (name) => codePipeline.getPipeline({ name }),
  facts: (p) => [
    ['Version', p.pipeline?.version],
    ['Type', p.pipeline?.pipelineType],
    ['Execution mode', p.pipeline?.executionMode],
    ['Role', p.pipeline?.roleArn],
  ],
  tabs: (_, name) => [
    { id: 'stages', label: 'Stages', content: <Stages name={name} /> },
    { id: 'executions', label: 'Executions', content: <Executions name={name} /> },
  ],
  actions: (_, name) => (
    <Button variant="primary" onClick={() => void act(`Release change through ${name}`, () => codePipeline.startPipelineExecution({ name }))}>
      Release change
    </Button>
  ),
});

function Stages({ name }: { name: string }) {
  const { data } = useLive(['codepipeline-state', name], () => codePipeline.getPipelineState({ name }));
  return (
    <SpaceBetween size="s">
      {(data?.stageStates ?? []).map((stage, at) => (
        <div key={stage.stageName}>
          {at > 0 && (
            <Box textAlign="center" color="text-body-secondary" padding={{ bottom: 's' }}>
              {stage.inboundTransitionState?.enabled === false ? `Held: ${stage.inboundTransitionState.disabledReason}` : '↓'}
            </Box>
          )}
          <Stage pipeline={name} stage={stage} />
        </div>
      ))}
    </SpaceBetween>
  );
}

function Stage({ pipeline, stage }: { pipeline: string; stage: StageState }) {
  const failed = stage.latestExecution?.status === 'Failed';
  const retry = () =>
    codePipeline.retryStageExecution({
      pipelineName: pipeline,
      stageName: stage.stageName,
      pipelineExecutionId: stage.latestExecution?.pipelineExecutionId,
      retryMode: 'FAILED_ACTIONS',
    });
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={<Status state={stage.latestExecution?.status} />}
          actions={failed && <Button onClick={() => void act(`Retry ${stage.stageName}`, retry)}>Retry</Button>}
        >
          {stage.stageName}
        </Header>
      }
    >
      <div className="subnets">
        {(stage.actionStates ?? []).map((action) => (
          <Action key={action.actionName} pipeline={pipeline} stage={stage.stageName ?? ''} action={action} />
        ))}
      </div>
    </Container>
  );
}

function Action({ pipeline, stage, action }: { pipeline: string; stage: string; action: ActionState }) {
  const latest = action.latestExecution;
  const token = latest?.status === 'InProgress' ? latest.token : undefined;
  const answer = (status: 'Approved' | 'Rejected') => (
    <Ask
      verb={status === 'Approved' ? 'Approve' : 'Reject'}
      title={`${status === 'Approved' ? 'Approve' : 'Reject'} ${action.actionName}`}
      primary={status === 'Approved'}
      fields={[{ name: 'summary', label: 'Comment', optional: true }]}
      action={({ summary }) =>
        codePipeline.putApprovalResult({ pipelineName: pipeline, stageName: stage, actionName: action.actionName, token, result: { status, summary } })
      }
    />
  );
  return (
    <div className="map-box">
      <SpaceBetween size="xxs">
        <Box variant="strong">{action.actionName}</Box>
        <Status state={latest?.status} why={latest?.errorDetails?.message} />
        {latest?.summary && <Box fontSize="body-s">{latest.summary}</Box>}
        {action.currentRevision?.revisionId && <Box fontSize="body-s">{action.currentRevision.revisionId.slice(0, 8)}</Box>}
        <Box fontSize="body-s" color="text-body-secondary">
          {ago(latest?.lastStatusChange)}
        </Box>
        {token && (
          <SpaceBetween size="xs" direction="horizontal">
            {answer('Rejected')}
            {answer('Approved')}
          </SpaceBetween>
        )}
      </SpaceBetween>
    </div>
  );
}

function Executions({ name }: { name: string }) {
  const live = useLive(['codepipeline-executions', name], async () => (await codePipeline.listPipelineExecutions({ pipelineName: name })).pipelineExecutionSummaries ?? []);
  return (
    <Rows
      title="Executions"
      live={live}
      id={(e) => e.pipelineExecutionId ?? ''}
      columns={[
        { header: 'Execution', cell: (e) => e.pipelineExecutionId, by: (e) => e.pipelineExecutionId, width: 320 },
        { header: 'Status', cell: (e) => <Status state={e.status} why={e.statusSummary} />, by: (e) => e.status },
        { header: 'Source', cell: (e) => e.sourceRevisions?.map((s) => s.revisionSummary ?? s.revisionId?.slice(0, 8)).join(', ') || '–', width: 260 },
        { header: 'Begun', cell: (e) => time(e.startTime), by: (e) => e.startTime?.getTime(), width: 180 },
        { header: 'By', cell: (e) => e.trigger?.triggerType, by: (e) => e.trigger?.triggerType },
      ]}
    />
  );
}
