// The revisions of a family, and what changed between two of them.

import { Container, Header, Select, SpaceBetween } from '@cloudscape-design/components';
import { diffLines } from 'diff';
import { useState } from 'react';
import { useParams } from 'react-router-dom';
import { ecs } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { NavigateButton } from '../../parts/NavigateButton';
import { pretty, revisionName } from '../../parts/names';
import { Page } from '../../parts/Page';
import { Rows } from '../../parts/Rows';
import { To } from '../../parts/To';
import { revisions } from './ask';
import { asked } from './definition';
import { taskDefinitionHref } from './hrefs';

export default function Family() {
  const { family = '' } = useParams();
  const live = useLive(['ecs', 'revisions', family], () => revisions(family));
  const names = (live.data ?? []).map(revisionName);
  return (
    <Page
      title={family}
      crumbs={[['Task definitions', '/ecs/task-definitions']]}
      error={live.error}
      actions={
        <NavigateButton primary href={`/ecs/task-definitions/create?from=${encodeURIComponent(names[0] ?? '')}`}>
          Create new revision
        </NavigateButton>
      }
    >
      <Rows
        title="Revisions"
        live={live}
        id={revisionName}
        choose="multi"
        actions={(chosen) => (
          <Confirm
            verb="Deregister"
            what={chosen.length === 1 ? revisionName(chosen[0]) : `${chosen.length} revisions`}
            disabled={chosen.length === 0}
            consequence="Nothing new is started of it; what runs goes on."
            action={() => Promise.all(chosen.map((taskDefinition) => ecs.deregisterTaskDefinition({ taskDefinition })))}
          />
        )}
        columns={[
          { header: 'Task definition', cell: (arn) => <To href={taskDefinitionHref(arn)}>{revisionName(arn)}</To>, by: revisionName },
          { header: 'ARN', cell: (arn) => arn, by: (arn) => arn, width: 300 },
        ]}
      />
      {names.length > 1 && <Compare names={names} />}
    </Page>
  );
}

function Compare({ names }: { names: string[] }) {
  const [before, setBefore] = useState(names[1]);
  const [after, setAfter] = useState(names[0]);
  const { data } = useLive(
    ['ecs', 'compare', before, after],
    () =>
      Promise.all(
        [before, after].map(async (taskDefinition) => {
          const { taskDefinition: found } = await ecs.describeTaskDefinition({ taskDefinition });
          return found ? pretty(asked(found)) : '';
        }),
      ),
    60_000,
  );
  const choose = (label: string, value: string, onChange: (value: string) => void) => (
    <Select
      ariaLabel={label}
      selectedOption={{ value, label: value }}
      options={names.map((name) => ({ value: name, label: name }))}
      onChange={({ detail }) => onChange(detail.selectedOption.value ?? '')}
    />
  );
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <SpaceBetween size="xs" direction="horizontal">
              {choose('Before', before, setBefore)}
              {choose('After', after, setAfter)}
            </SpaceBetween>
          }
        >
          What changed
        </Header>
      }
    >
      <pre className="mono output" tabIndex={0}>
        {data &&
          diffLines(data[0], data[1]).map((part, at) => (
            <span key={at} className={part.added ? 'added' : part.removed ? 'removed' : undefined}>
              {part.value.replace(/^(?!$)/gm, part.added ? '+ ' : part.removed ? '- ' : '  ')}
            </span>
          ))}
      </pre>
    </Container>
  );
}
