import { Button, Container, FormField, Header, Multiselect, Select, SpaceBetween, Textarea } from '@cloudscape-design/components';
import { useState } from 'react';
import { act } from '../../app/notices';
import { logs } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Page } from '../../parts/Page';
import { Rows } from '../../parts/Rows';
import { groups } from './ask';

const FIRST = 'fields @timestamp, @message\n| sort @timestamp desc\n| limit 100';
const SPANS = [
  { label: '15 minutes', value: '15' },
  { label: '1 hour', value: '60' },
  { label: '1 day', value: '1440' },
  { label: '1 week', value: '10080' },
];

interface Row {
  at: string;
  fields: Record<string, string>;
}

export default function Insights() {
  const known = useLive(['log-groups'], groups, 5000);
  const [chosen, setChosen] = useState<string[]>([]);
  const [span, setSpan] = useState(SPANS[1]);
  const [text, setText] = useState(FIRST);
  const [query, setQuery] = useState<string>();
  const { data } = useLive(query ? ['insights', query] : undefined, () => logs.getQueryResults({ queryId: query }));
  const run = async () => {
    const now = Math.floor(Date.now() / 1000);
    const answer = await act('Run query', () =>
      logs.startQuery({ logGroupNames: chosen, queryString: text, startTime: now - Number(span.value) * 60, endTime: now + 1 }),
    );
    setQuery(answer?.queryId);
  };
  const rows: Row[] = (data?.results ?? []).map((fields, at) => ({ at: String(at), fields: Object.fromEntries(fields.map((f) => [f.field ?? '', f.value ?? ''])) }));
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.fields)))].filter((name) => name !== '@ptr');
  const options = (known.data ?? []).map((g) => ({ value: g.logGroupName ?? '', label: g.logGroupName }));
  return (
    <Page title="Logs Insights" error={known.error}>
      <Container header={<Header variant="h2">Query</Header>}>
        <SpaceBetween size="m">
          <FormField label="Log groups">
            <Multiselect
              options={options}
              selectedOptions={options.filter((o) => chosen.includes(o.value))}
              placeholder="Choose log groups"
              filteringType="auto"
              deselectAriaLabel={(o) => `Remove ${o.label}`}
              onChange={({ detail }) => setChosen(detail.selectedOptions.map((o) => o.value ?? ''))}
            />
          </FormField>
          <FormField label="Time">
            <Select selectedOption={span} options={SPANS} onChange={({ detail }) => setSpan(detail.selectedOption as (typeof SPANS)[0])} />
          </FormField>
          <FormField label="Query" stretch>
            <div className="mono">
              <Textarea value={text} rows={6} spellcheck={false} onChange={({ detail }) => setText(detail.value)} />
            </div>
          </FormField>
          <Button variant="primary" disabled={chosen.length === 0} loading={data?.status === 'Running' || data?.status === 'Scheduled'} onClick={() => void run()}>
            Run query
          </Button>
        </SpaceBetween>
      </Container>
      {data && (
        <Rows
          title="Results"
          description={`${data.statistics?.recordsMatched ?? 0} of ${data.statistics?.recordsScanned ?? 0} records matched`}
          live={{ data: rows, loading: false, error: undefined }}
          id={(row) => row.at}
          columns={columns.map((name) => ({ header: name, cell: (row: Row) => row.fields[name], by: (row: Row) => row.fields[name], width: name === '@message' ? 480 : 180 }))}
        />
      )}
    </Page>
  );
}
