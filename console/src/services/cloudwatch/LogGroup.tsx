import { SpaceBetween } from '@cloudscape-design/components';
import { useState } from 'react';
import { logs } from '../../aws/clients';
import { everything, useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Copied } from '../../parts/Facts';
import { LogLines } from '../../parts/LogLines';
import { detailPage } from '../../parts/listing';
import { bytes, time } from '../../parts/names';
import { Rows } from '../../parts/Rows';

const RETENTIONS = ['Never', '1', '3', '5', '7', '14', '30', '60', '90', '180', '365'];

export default detailPage({
  from: ['Log groups', '/cloudwatch/log-groups'],
  key: 'log-group',
  get: async (name) => {
    const found = await logs.describeLogGroups({ logGroupNamePrefix: name });
    const group = found.logGroups?.find((g) => g.logGroupName === name);
    if (!group) throw Object.assign(new Error('The specified log group does not exist.'), { name: 'ResourceNotFoundException' });
    return group;
  },
  facts: (g) => [
    ['Retention', g.retentionInDays ? `${g.retentionInDays} days` : 'Never expire'],
    ['Stored', bytes(g.storedBytes)],
    ['Created', time(g.creationTime)],
    ['ARN', <Copied key="a" text={g.arn} />],
  ],
  tabs: (_, name) => [
    { id: 'events', label: 'Events', content: <LogLines group={name} title="Events" /> },
    { id: 'streams', label: 'Streams', content: <Streams group={name} /> },
  ],
  actions: (_, name, leave) => (
    <>
      <Confirm verb="Delete" what={name} typed consequence="All its events go with it." action={() => logs.deleteLogGroup({ logGroupName: name })} onDone={leave} />
      <Ask
        verb="Edit retention"
        title={`Retention of ${name}`}
        fields={[{ name: 'days', label: 'Days', kind: { options: RETENTIONS }, value: 'Never' }]}
        action={({ days }) =>
          days === 'Never' ? logs.deleteRetentionPolicy({ logGroupName: name }) : logs.putRetentionPolicy({ logGroupName: name, retentionInDays: Number(days) })
        }
      />
    </>
  ),
});

function Streams({ group }: { group: string }) {
  const live = useLive(['log-streams', group], () =>
    everything(async (nextToken) => {
      const page = await logs.describeLogStreams({ logGroupName: group, nextToken, limit: 50 });
      return { items: page.logStreams, next: page.nextToken };
    }),
  );
  const [chosen, setChosen] = useState<string>();
  return (
    <SpaceBetween size="l">
      <Rows
        title="Streams"
        live={live}
        id={(s) => s.logStreamName ?? ''}
        choose="single"
        onChoose={([stream]) => setChosen(stream?.logStreamName)}
        columns={[
          { header: 'Stream', cell: (s) => s.logStreamName, by: (s) => s.logStreamName, width: 380 },
          { header: 'Last event', cell: (s) => time(s.lastEventTimestamp), by: (s) => s.lastEventTimestamp, width: 180 },
          { header: 'First event', cell: (s) => time(s.firstEventTimestamp), by: (s) => s.firstEventTimestamp, width: 180 },
        ]}
      />
      {chosen && <LogLines group={group} streams={[chosen]} title={chosen} minutes={24 * 60 * 7} />}
    </SpaceBetween>
  );
}
