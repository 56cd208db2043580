import type { Metric } from '@aws-sdk/client-cloudwatch';
import { Box, Container, FormField, Header, Select, SpaceBetween } from '@cloudscape-design/components';
import { useState } from 'react';
import { useLive } from '../../aws/live';
import { Graph } from '../../parts/Graph';
import { Page } from '../../parts/Page';
import { Rows } from '../../parts/Rows';
import { metrics } from './ask';

const SPANS: [string, number][] = [['1 hour', 60], ['3 hours', 180], ['12 hours', 720], ['1 day', 1440], ['1 week', 10_080]];
const STATISTICS = ['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount', 'p50', 'p90', 'p99'];

const dimensions = (m: Metric) => (m.Dimensions ?? []).map((d) => `${d.Name}=${d.Value}`).join(', ');
const id = (m: Metric) => `${m.Namespace} ${m.MetricName} ${dimensions(m)}`;

export default function Metrics() {
  const live = useLive(['cloudwatch-metrics'], metrics, 10_000);
  const [chosen, setChosen] = useState<Metric[]>([]);
  const [span, setSpan] = useState(60);
  const [statistic, setStatistic] = useState('Average');
  return (
    <Page title="Metrics" error={live.error}>
      <Chosen chosen={chosen} span={span} statistic={statistic} onSpan={setSpan} onStatistic={setStatistic} />
      <Rows
        title="All metrics"
        live={live}
        id={id}
        choose="multi"
        size={15}
        empty="Nothing has been measured yet."
        columns={[
          { header: 'Namespace', cell: (m) => m.Namespace, by: (m) => m.Namespace },
          { header: 'Metric', cell: (m) => m.MetricName, by: (m) => m.MetricName, width: 200 },
          { header: 'Dimensions', cell: dimensions, by: dimensions, width: 360 },
        ]}
        onChoose={setChosen}
      />
    </Page>
  );
}

interface Choice {
  chosen: Metric[];
  span: number;
  statistic: string;
  onSpan: (minutes: number) => void;
  onStatistic: (statistic: string) => void;
}

function Chosen({ chosen, span, statistic, onSpan, onStatistic }: Choice) {
  if (chosen.length === 0) return <Box color="text-body-secondary">Choose metrics to see them over time.</Box>;
  const spans = SPANS.map(([label, minutes]) => ({ label, value: String(minutes) }));
  return (
    <Container
      header={
        <Header variant="h3">
          {chosen.length} {chosen.length === 1 ? 'metric' : 'metrics'}
        </Header>
      }
    >
      <SpaceBetween size="m">
        <SpaceBetween size="s" direction="horizontal">
          <FormField label="Time">
            <Select selectedOption={spans.find((s) => s.value === String(span)) ?? null} options={spans} onChange={({ detail }) => onSpan(Number(detail.selectedOption.value))} />
          </FormField>
          <FormField label="Statistic">
            <Select selectedOption={{ value: statistic }} options={STATISTICS.map((value) => ({ value }))} onChange={({ detail }) => onStatistic(detail.selectedOption.value ?? 'Average')} />
          </FormField>
        </SpaceBetween>
        <Graph
          title="Metrics"
          minutes={span}
          metrics={chosen.map((m) => ({
            title: `${m.MetricName} ${dimensions(m)}`,
            namespace: m.Namespace ?? '',
            name: m.MetricName ?? '',
            dimensions: Object.fromEntries((m.Dimensions ?? []).map((d) => [d.Name, d.Value])),
            statistic,
          }))}
        />
      </SpaceBetween>
    </Container>
  );
}
