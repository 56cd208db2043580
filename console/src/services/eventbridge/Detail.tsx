import { eventBridge } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Copied } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';

/** `bus/rule`. */
function parts(id: string) {
  const at = id.lastIndexOf('/');
  return { EventBusName: id.slice(0, at), Name: id.slice(at + 1) };
}

export default detailPage({
  from: ['Event rules', '/event-rules'],
  key: 'events-rule',
  get: (id) => eventBridge.describeRule(parts(id)),
  title: (r, id) => r?.Name ?? id,
  facts: (r) => [
    ['State', <Status key="s" state={r.State} />],
    ['Bus', r.EventBusName],
    ['Schedule', r.ScheduleExpression],
    ['Pattern', r.EventPattern],
    ['ARN', <Copied key="a" text={r.Arn} />],
  ],
  tabs: (_, id) => [{ id: 'targets', label: 'Targets', content: <Targets id={id} /> }],
});

function Targets({ id }: { id: string }) {
  const { EventBusName, Name } = parts(id);
  const live = useLive(['events-targets', id], async () => (await eventBridge.listTargetsByRule({ Rule: Name, EventBusName })).Targets ?? []);
  return (
    <Rows
      title="Targets"
      live={live}
      id={(t) => t.Id ?? ''}
      columns={[
        { header: 'ID', cell: (t) => t.Id, by: (t) => t.Id },
        { header: 'ARN', cell: (t) => t.Arn, by: (t) => t.Arn, width: 360 },
        { header: 'Role', cell: (t) => t.RoleArn ?? '–', width: 240 },
      ]}
    />
  );
}
