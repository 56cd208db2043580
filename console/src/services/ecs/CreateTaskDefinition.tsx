// A task definition is made in a form, or as JSON: what the form makes is the JSON's beginning.

import { Button, Container, Form, FormField, Header, Input, Select, SpaceBetween, Tabs, Textarea } from '@cloudscape-design/components';
import { useEffect, useState } from 'react';
import { useNavigate, useSearchParams } from 'react-router-dom';
import { act } from '../../app/notices';
import { ecs } from '../../aws/clients';
import { session } from '../../aws/session';
import { ImageField } from './ImageField';
import { pretty } from '../../parts/names';
import { Page } from '../../parts/Page';
import { asked, SIZES, type Simple, simple } from './definition';
import { taskDefinitionHref } from './hrefs';

export default function CreateTaskDefinition() {
  const [query] = useSearchParams();
  const from = query.get('from');
  const navigate = useNavigate();
  const { account, region } = session();
  const [wanted, setWanted] = useState<Simple>({ family: '', image: '', port: '80', command: '', cpu: '256', memory: '512', environment: '', account, region });
  const [tab, setTab] = useState(from ? 'json' : 'form');
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (!from) return;
    void ecs.describeTaskDefinition({ taskDefinition: from }).then(({ taskDefinition }) => taskDefinition && setText(pretty(asked(taskDefinition))));
  }, [from]);
  const change = (part: Partial<Simple>) => setWanted({ ...wanted, ...part });
  let wrong: string | undefined;
  if (tab === 'json') {
    try {
      JSON.parse(text);
    } catch (error) {
      wrong = (error as Error).message;
    }
  }
  const complete = tab === 'json' ? !wrong : wanted.family !== '' && wanted.image !== '';
  const create = async () => {
    setBusy(true);
    const input = tab === 'json' ? (JSON.parse(text) as ReturnType<typeof simple>) : simple(wanted);
    const answer = await act(`Create task definition ${input.family ?? ''}`, () => ecs.registerTaskDefinition(input));
    setBusy(false);
    if (answer) navigate(taskDefinitionHref(answer.taskDefinition?.taskDefinitionArn));
  };
  const form = (
    <Container header={<Header variant="h2">Task and container</Header>}>
      <SpaceBetween size="l">
        <FormField label="Family" constraintText="Letters, digits, hyphens and underscores.">
          <Input value={wanted.family} onChange={({ detail }) => change({ family: detail.value })} />
        </FormField>
        <ImageField value={wanted.image} onChange={(image) => change({ image })} />
        <FormField label="Container port – optional" description="The port that it listens on.">
          <Input type="number" value={wanted.port} onChange={({ detail }) => change({ port: detail.value })} />
        </FormField>
        <SpaceBetween size="m" direction="horizontal">
          <FormField label="CPU units">
            <Select
              selectedOption={{ value: wanted.cpu, label: wanted.cpu }}
              options={Object.keys(SIZES).map((value) => ({ value, label: value }))}
              onChange={({ detail: { selectedOption } }) => change({ cpu: selectedOption.value, memory: SIZES[selectedOption.value ?? '256'][0] })}
            />
          </FormField>
          <FormField label="Memory (MiB)">
            <Select
              selectedOption={{ value: wanted.memory, label: wanted.memory }}
              options={SIZES[wanted.cpu].map((value) => ({ value, label: value }))}
              onChange={({ detail }) => change({ memory: detail.selectedOption.value })}
            />
          </FormField>
        </SpaceBetween>
        <FormField label="Command – optional" description="In place of the image's own. Quotes hold words together.">
          <Input value={wanted.command} onChange={({ detail }) => change({ command: detail.value })} />
        </FormField>
        <FormField label="Environment – optional" description="NAME=value, one a line.">
          <Textarea value={wanted.environment} rows={3} onChange={({ detail }) => change({ environment: detail.value })} />
        </FormField>
      </SpaceBetween>
    </Container>
  );
  const json = (
    <FormField label="Task definition" description="As RegisterTaskDefinition takes it." errorText={text ? wrong : undefined} stretch>
      <div className="mono">
        <Textarea value={text} rows={28} spellcheck={false} onChange={({ detail }) => setText(detail.value)} />
      </div>
    </FormField>
  );
  return (
    <Page title={from ? 'Create new revision' : 'Create task definition'} crumbs={[['Task definitions', '/ecs/task-definitions']]}>
      <Form
        actions={
          <Button variant="primary" loading={busy} disabled={!complete} onClick={() => void create()}>
            Create
          </Button>
        }
      >
        <Tabs
          ariaLabel="How it is written"
          activeTabId={tab}
          onChange={({ detail }) => {
            if (detail.activeTabId === 'json' && !text) setText(pretty(simple(wanted)));
            setTab(detail.activeTabId);
          }}
          tabs={[
            { id: 'form', label: 'Form', content: form },
            { id: 'json', label: 'JSON', content: json },
          ]}
        />
      </Form>
    </Page>
  );
}
