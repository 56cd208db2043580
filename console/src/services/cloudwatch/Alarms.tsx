import type { ComparisonOperator, Statistic } from '@aws-sdk/client-cloudwatch';
import { Button } from '@cloudscape-design/components';
import { act } from '../../app/notices';
import { cloudWatch } from '../../aws/clients';
import { listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';
import { alarms } from './ask';

export default listPage({
  title: 'Alarms',
  noun: 'Alarm',
  key: 'cloudwatch-alarms',
  list: alarms,
  id: (a) => a.AlarmName ?? '',
  columns: [
    { header: 'State', cell: (a) => <Status state={a.StateValue} />, by: (a) => a.StateValue },
    { header: 'Condition', cell: (a) => `${a.MetricName} ${a.ComparisonOperator} ${a.Threshold}`, by: (a) => a.MetricName, width: 280 },
    { header: 'Since', cell: (a) => time(a.StateUpdatedTimestamp), by: (a) => a.StateUpdatedTimestamp?.getTime(), width: 180 },
    { header: 'Why', cell: (a) => a.StateReason, by: (a) => a.StateReason, width: 280 },
    { header: 'Actions', cell: (a) => (a.ActionsEnabled ? `${a.AlarmActions?.length ?? 0} on alarm` : 'Off') },
  ],
  more: ([alarm]) => (
    <Button
      disabled={!alarm}
      onClick={() =>
        void act(`Actions of ${alarm.AlarmName}`, () =>
          alarm.ActionsEnabled
            ? cloudWatch.disableAlarmActions({ AlarmNames: [alarm.AlarmName ?? ''] })
            : cloudWatch.enableAlarmActions({ AlarmNames: [alarm.AlarmName ?? ''] }),
        )
      }
    >
      {alarm && !alarm.ActionsEnabled ? 'Enable actions' : 'Disable actions'}
    </Button>
  ),
  create: {
    verb: 'Create alarm',
    fields: [
      { name: 'AlarmName', label: 'Name' },
      { name: 'Namespace', label: 'Namespace', value: 'AWS/ECS' },
      { name: 'MetricName', label: 'Metric', value: 'CPUUtilization' },
      { name: 'dimensions', label: 'Dimensions', kind: 'long', hint: 'Name=value, one a line.', value: 'ClusterName=default\nServiceName=web', optional: true },
      { name: 'Statistic', label: 'Statistic', kind: { options: ['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount'] }, value: 'Average' },
      {
        name: 'ComparisonOperator',
        label: 'Comparison',
        kind: { options: ['GreaterThanThreshold', 'GreaterThanOrEqualToThreshold', 'LessThanThreshold', 'LessThanOrEqualToThreshold'] },
        value: 'GreaterThanThreshold',
      },
      { name: 'Threshold', label: 'Threshold', kind: 'number', value: '80' },
      { name: 'EvaluationPeriods', label: 'Minutes in a row', kind: 'number', value: '3' },
      { name: 'action', label: 'Action', hint: 'The ARN of a topic or a policy.', optional: true },
    ],
    go: (v) =>
      cloudWatch.putMetricAlarm({
        AlarmName: v.AlarmName,
        Namespace: v.Namespace,
        MetricName: v.MetricName,
        Dimensions: v.dimensions
          .split('\n')
          .filter((line) => line.includes('='))
          .map((line) => ({ Name: line.slice(0, line.indexOf('=')), Value: line.slice(line.indexOf('=') + 1) })),
        Statistic: v.Statistic as Statistic,
        ComparisonOperator: v.ComparisonOperator as ComparisonOperator,
        Threshold: Number(v.Threshold),
        EvaluationPeriods: Number(v.EvaluationPeriods),
        Period: 60,
        AlarmActions: v.action ? [v.action] : undefined,
      }),
  },
  remove: { go: (a) => cloudWatch.deleteAlarms({ AlarmNames: [a.AlarmName ?? ''] }) },
});
