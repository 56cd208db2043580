import { Container, Header } from '@cloudscape-design/components';
import { cloudFormation } from '../../aws/clients';
import { everything, useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { detailPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { CAPABILITIES } from './Stacks';

export default detailPage({
  from: ['Stacks', '/stacks'],
  key: 'cloudformation-stack',
  get: async (StackName) => (await cloudFormation.describeStacks({ StackName })).Stacks?.[0],
  facts: (s) => [
    ['Status', <Status key="s" state={s.StackStatus} why={s.StackStatusReason} />],
    ['Created', time(s.CreationTime)],
    ['Updated', time(s.LastUpdatedTime)],
    ['Description', s.Description],
  ],
  tabs: (s, name) => [
    { id: 'events', label: 'Events', content: <Events name={s.StackId ?? name} /> },
    { id: 'resources', label: 'Resources', content: <Resources name={name} /> },
    {
      id: 'outputs',
      label: 'Outputs',
      content: (
        <Rows
          title="Outputs"
          live={{ data: s.Outputs ?? [], loading: false, error: undefined }}
          id={(o) => o.OutputKey ?? ''}
          columns={[
            { header: 'Output', cell: (o) => o.OutputKey },
            { header: 'Value', cell: (o) => o.OutputValue, width: 320 },
            { header: 'Export', cell: (o) => o.ExportName ?? '–' },
            { header: 'Description', cell: (o) => o.Description ?? '–', width: 240 },
          ]}
        />
      ),
    },
    {
      id: 'parameters',
      label: 'Parameters',
      content: (
        <Rows
          title="Parameters"
          live={{ data: s.Parameters ?? [], loading: false, error: undefined }}
          id={(p) => p.ParameterKey ?? ''}
          columns={[
            { header: 'Parameter', cell: (p) => p.ParameterKey },
            { header: 'Value', cell: (p) => p.ParameterValue, width: 320 },
          ]}
        />
      ),
    },
    { id: 'template', label: 'Template', content: <Template name={name} /> },
  ],
  actions: (_, name, leave) => (
    <>
      <Confirm verb="Delete" what={name} typed consequence="What it made goes with it." action={() => cloudFormation.deleteStack({ StackName: name })} onDone={leave} />
      <Ask
        primary
        verb="Update"
        title={`Update ${name}`}
        fields={[{ name: 'TemplateBody', label: 'Template', kind: 'long', hint: 'In place of the present one; parameters stay as they are where it still has them.' }]}
        action={({ TemplateBody }) => cloudFormation.updateStack({ StackName: name, TemplateBody, Capabilities: [...CAPABILITIES] })}
      />
    </>
  ),
});

function Events({ name }: { name: string }) {
  const live = useLive(['cloudformation-events', name], async () => (await cloudFormation.describeStackEvents({ StackName: name })).StackEvents ?? []);
  return (
    <Rows
      title="Events"
      live={live}
      id={(e) => e.EventId ?? ''}
      columns={[
        { header: 'When', cell: (e) => time(e.Timestamp), by: (e) => e.Timestamp?.getTime(), width: 180 },
        { header: 'Resource', cell: (e) => e.LogicalResourceId, by: (e) => e.LogicalResourceId, width: 180 },
        { header: 'Status', cell: (e) => <Status state={e.ResourceStatus} />, by: (e) => e.ResourceStatus, width: 200 },
        { header: 'Why', cell: (e) => e.ResourceStatusReason ?? '–', by: (e) => e.ResourceStatusReason, width: 300 },
        { header: 'Type', cell: (e) => e.ResourceType, by: (e) => e.ResourceType, width: 220 },
      ]}
    />
  );
}

function Resources({ name }: { name: string }) {
  const live = useLive(['cloudformation-resources', name], () =>
    everything(async (NextToken) => {
      const page = await cloudFormation.listStackResources({ StackName: name, NextToken });
      return { items: page.StackResourceSummaries, next: page.NextToken };
    }),
  );
  return (
    <Rows
      title="Resources"
      live={live}
      id={(r) => r.LogicalResourceId ?? ''}
      columns={[
        { header: 'Logical ID', cell: (r) => r.LogicalResourceId, by: (r) => r.LogicalResourceId, width: 180 },
        { header: 'Physical ID', cell: (r) => r.PhysicalResourceId, by: (r) => r.PhysicalResourceId, width: 320 },
        { header: 'Type', cell: (r) => r.ResourceType, by: (r) => r.ResourceType, width: 220 },
        { header: 'Status', cell: (r) => <Status state={r.ResourceStatus} />, by: (r) => r.ResourceStatus, width: 200 },
      ]}
    />
  );
}

function Template({ name }: { name: string }) {
  const { data } = useLive(['cloudformation-template', name], async () => (await cloudFormation.getTemplate({ StackName: name })).TemplateBody, 10_000);
  return (
    <Container header={<Header variant="h2">Template</Header>}>
      <pre className="mono output" tabIndex={0}>
        {data}
      </pre>
    </Container>
  );
}
