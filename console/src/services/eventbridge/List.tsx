import { Button } from '@cloudscape-design/components';
import { act } from '../../app/notices';
import { eventBridge } from '../../aws/clients';
import { everything } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { below, listPage } from '../../parts/listing';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Event rules',
  noun: 'Rule',
  key: 'events-rules',
  list: async () => {
    const buses = await everything(async (NextToken) => {
      const page = await eventBridge.listEventBuses({ NextToken });
      return { items: page.EventBuses, next: page.NextToken };
    });
    const rules = await Promise.all(
      buses.map(({ Name }) =>
        everything(async (NextToken) => {
          const page = await eventBridge.listRules({ EventBusName: Name, NextToken });
          return { items: page.Rules, next: page.NextToken };
        }),
      ),
    );
    return rules.flat();
  },
  id: (r) => `${r.EventBusName}/${r.Name}`,
  name: (r) => r.Name ?? '',
  href: (r) => below('/event-rules', `${r.EventBusName}/${r.Name}`),
  columns: [
    { header: 'State', cell: (r) => <Status state={r.State} />, by: (r) => r.State },
    { header: 'Bus', cell: (r) => r.EventBusName, by: (r) => r.EventBusName },
    { header: 'Schedule or pattern', cell: (r) => r.ScheduleExpression ?? r.EventPattern, by: (r) => r.EventPattern, width: 360 },
  ],
  more: ([rule]) => (
    <>
      <Button
        disabled={!rule}
        onClick={() =>
          void act(`${rule.State === 'ENABLED' ? 'Disable' : 'Enable'} ${rule.Name}`, () =>
            rule.State === 'ENABLED'
              ? eventBridge.disableRule({ Name: rule.Name, EventBusName: rule.EventBusName })
              : eventBridge.enableRule({ Name: rule.Name, EventBusName: rule.EventBusName }),
          )
        }
      >
        {rule?.State === 'DISABLED' ? 'Enable' : 'Disable'}
      </Button>
      <Ask
        verb="Send event"
        title="Send event"
        fields={[
          { name: 'Source', label: 'Source', value: 'my.app' },
          { name: 'DetailType', label: 'Detail type', value: 'Something happened' },
          { name: 'Detail', label: 'Detail', kind: 'json', value: '{}' },
        ]}
        action={(entry) => eventBridge.putEvents({ Entries: [entry] })}
      />
    </>
  ),
  create: {
    verb: 'Create rule',
    fields: [
      { name: 'Name', label: 'Name' },
      { name: 'pattern', label: 'Event pattern', kind: 'json', value: '{\n  "source": ["aws.ecs"]\n}' },
      { name: 'arn', label: 'Target', hint: 'The ARN of a queue, a topic or a log group.' },
    ],
    go: async ({ Name, pattern, arn }) => {
      await eventBridge.putRule({ Name, EventPattern: pattern });
      const answer = await eventBridge.putTargets({ Rule: Name, Targets: [{ Id: '1', Arn: arn }] });
      const failed = answer.FailedEntries?.[0];
      if (failed) throw Object.assign(new Error(failed.ErrorMessage), { name: failed.ErrorCode ?? 'FailedEntry' });
    },
  },
  remove: {
    consequence: 'Its targets go with it.',
    go: async (r) => {
      const of = { Rule: r.Name, EventBusName: r.EventBusName };
      const { Targets } = await eventBridge.listTargetsByRule(of);
      if (Targets?.length) await eventBridge.removeTargets({ ...of, Ids: Targets.map((t) => t.Id ?? '') });
      await eventBridge.deleteRule({ Name: r.Name, EventBusName: r.EventBusName });
    },
  },
});
