import { SpaceBetween } from '@cloudscape-design/components';
import { useNavigate, useParams } from 'react-router-dom';
import { ecs } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { Copied, Facts, Json } from '../../parts/Facts';
import { NavigateButton } from '../../parts/NavigateButton';
import { time } from '../../parts/names';
import { Page } from '../../parts/Page';
import { PageTabs } from '../../parts/PageTabs';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { asked } from './definition';
import { taskDefinitionHref } from './hrefs';

export default function TaskDefinitionPage() {
  const { family = '', revision = '' } = useParams();
  const name = `${family}:${revision}`;
  const navigate = useNavigate();
  const live = useLive(['ecs', 'task-definition', name], async () => (await ecs.describeTaskDefinition({ taskDefinition: name })).taskDefinition, 5000);
  const { data } = live;
  return (
    <Page
      title={name}
      crumbs={[
        ['Task definitions', '/ecs/task-definitions'],
        [family, taskDefinitionHref(family)],
      ]}
      error={live.error}
      actions={
        <SpaceBetween size="xs" direction="horizontal">
          <Confirm
            verb="Deregister"
            what={name}
            disabled={data?.status !== 'ACTIVE'}
            consequence="Nothing new is started of it; what runs goes on."
            action={() => ecs.deregisterTaskDefinition({ taskDefinition: name })}
            onDone={() => navigate(taskDefinitionHref(family))}
          />
          <NavigateButton primary href={`/ecs/task-definitions/create?from=${encodeURIComponent(name)}`}>
            Create new revision
          </NavigateButton>
        </SpaceBetween>
      }
    >
      <Facts
        facts={[
          ['Status', <Status key="s" state={data?.status} />],
          ['Size', data && `${data.cpu ?? '–'} CPU units, ${data.memory ?? '–'} MiB`],
          ['Network mode', data?.networkMode],
          ['Registered', time(data?.registeredAt)],
          ['Requires', data?.requiresCompatibilities?.join(', ')],
          ['Execution role', data?.executionRoleArn],
          ['Task role', data?.taskRoleArn],
          ['ARN', <Copied key="a" text={data?.taskDefinitionArn} />],
        ]}
      />
      <PageTabs
        label="Task definition"
        tabs={[
          {
            id: 'containers',
            label: 'Containers',
            content: (
              <Rows
                title="Containers"
                live={{ data: data?.containerDefinitions, loading: live.loading, error: undefined }}
                id={(c) => c.name ?? ''}
                columns={[
                  { header: 'Container', cell: (c) => c.name, by: (c) => c.name },
                  { header: 'Image', cell: (c) => c.image, by: (c) => c.image, width: 280 },
                  { header: 'Essential', cell: (c) => (c.essential ? 'Yes' : 'No') },
                  { header: 'Ports', cell: (c) => c.portMappings?.map((p) => `${p.containerPort}/${p.protocol}`).join(', ') || '–' },
                  { header: 'Command', cell: (c) => c.command?.join(' ') || '–', width: 200 },
                  { header: 'Environment', cell: (c) => c.environment?.map((e) => `${e.name}=${e.value}`).join(' ') || '–', width: 200 },
                ]}
              />
            ),
          },
          { id: 'json', label: 'JSON', content: <Json value={data && asked(data)} /> },
        ]}
      />
    </Page>
  );
}
