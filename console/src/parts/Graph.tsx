// Metrics of CloudWatch over time.

import { Box, LineChart } from '@cloudscape-design/components';
import { cloudWatch } from '../aws/clients';
import { useLive } from '../aws/live';

export interface Metric {
  title: string;
  namespace: string;
  name: string;
  dimensions: Record<string, string>;
  statistic?: string;
}

interface Props {
  title: string;
  metrics: Metric[];
  minutes?: number;
  unit?: string;
}

/** CloudWatch keeps minutes; more of them than this is no picture. */
const MOST_POINTS = 240;

export function Graph({ title, metrics, minutes = 60, unit }: Props) {
  const period = Math.max(60, Math.ceil((minutes * 60) / MOST_POINTS / 60) * 60);
  const { data, loading, error } = useLive(
    ['graph', title, minutes, ...metrics],
    async () => {
      const end = new Date();
      const start = new Date(end.getTime() - minutes * 60_000);
      const answer = await cloudWatch.getMetricData({
        StartTime: start,
        EndTime: end,
        ScanBy: 'TimestampAscending',
        MetricDataQueries: metrics.map((metric, at) => ({
          Id: `m${at}`,
          Label: metric.title,
          MetricStat: {
            Metric: {
              Namespace: metric.namespace,
              MetricName: metric.name,
              Dimensions: Object.entries(metric.dimensions).map(([Name, Value]) => ({ Name, Value })),
            },
            Period: period,
            Stat: metric.statistic ?? 'Average',
          },
        })),
      });
      return { start, end, results: answer.MetricDataResults ?? [] };
    },
    10_000,
  );
  const series = (data?.results ?? []).map((result, at) => ({
    title: metrics[at]?.title ?? result.Label ?? '',
    type: 'line' as const,
    data: (result.Timestamps ?? []).map((x, i) => ({ x, y: result.Values?.[i] ?? 0 })),
    valueFormatter: (y: number) => `${Number(y.toPrecision(4))}${unit ? ` ${unit}` : ''}`,
  }));
  return (
    <LineChart
      series={series.filter((one) => one.data.length > 0)}
      xDomain={data && [data.start, data.end]}
      xScaleType="time"
      yTitle={unit}
      xTitle=""
      height={180}
      hideFilter
      hideLegend={metrics.length < 2}
      statusType={error && !data ? 'error' : loading ? 'loading' : 'finished'}
      errorText={error?.message}
      ariaLabel={title}
      i18nStrings={{ xTickFormatter: (at) => at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' }) }}
      empty={
        <Box textAlign="center" color="text-body-secondary">
          Nothing has been measured yet
        </Box>
      }
      noMatch="Nothing"
    />
  );
}
