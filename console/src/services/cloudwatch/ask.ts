import { cloudWatch, logs } from '../../aws/clients';
import { everything } from '../../aws/live';

export function alarms() {
  return everything(async (NextToken) => {
    const page = await cloudWatch.describeAlarms({ NextToken });
    return { items: page.MetricAlarms, next: page.NextToken };
  });
}

export function groups() {
  return everything(async (nextToken) => {
    const page = await logs.describeLogGroups({ nextToken, limit: 50 });
    return { items: page.logGroups, next: page.nextToken };
  });
}

export function metrics() {
  return everything(async (NextToken) => {
    const page = await cloudWatch.listMetrics({ NextToken });
    return { items: page.Metrics, next: page.NextToken };
  });
}
