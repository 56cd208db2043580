import type { RRType } from '@aws-sdk/client-route-53';
import { route53 } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { detailPage } from '../../parts/listing';
import { Rows } from '../../parts/Rows';

export default detailPage({
  from: ['Hosted zones', '/hosted-zones'],
  key: 'route53-zone',
  get: (Id) => route53.getHostedZone({ Id }),
  title: (z, id) => z?.HostedZone?.Name ?? id,
  facts: (z) => [
    ['Kind', z.HostedZone?.Config?.PrivateZone ? 'Private' : 'Public'],
    ['Records', z.HostedZone?.ResourceRecordSetCount],
    ['VPCs', z.VPCs?.map((v) => v.VPCId).join(', ')],
    ['Name servers', z.DelegationSet?.NameServers?.join(', ')],
  ],
  tabs: (_, id) => [{ id: 'records', label: 'Records', content: <Records zone={id} /> }],
});

const TYPES = ['A', 'AAAA', 'CNAME', 'TXT', 'MX', 'SRV', 'NS', 'PTR', 'CAA'];

function Records({ zone }: { zone: string }) {
  const live = useLive(['route53-records', zone], async () => {
    const all = [];
    let from: { StartRecordName?: string; StartRecordType?: RRType; StartRecordIdentifier?: string } = {};
    for (;;) {
      const page = await route53.listResourceRecordSets({ HostedZoneId: zone, ...from });
      all.push(...(page.ResourceRecordSets ?? []));
      if (!page.IsTruncated) return all;
      from = { StartRecordName: page.NextRecordName, StartRecordType: page.NextRecordType, StartRecordIdentifier: page.NextRecordIdentifier };
    }
  });
  const change = (Action: 'UPSERT' | 'DELETE', ResourceRecordSet: NonNullable<typeof live.data>[number]) =>
    route53.changeResourceRecordSets({ HostedZoneId: zone, ChangeBatch: { Changes: [{ Action, ResourceRecordSet }] } });
  return (
    <Rows
      title="Records"
      live={live}
      id={(r) => `${r.Name} ${r.Type} ${r.SetIdentifier ?? ''}`}
      choose="single"
      actions={([record]) => (
        <>
          <Confirm verb="Delete" what={record ? `${record.Name} ${record.Type}` : ''} disabled={!record} action={() => change('DELETE', record)} />
          <Ask
            primary
            verb="Write record"
            title="Write record"
            fields={[
              { name: 'Name', label: 'Name', hint: 'In full, `www.example.com`.' },
              { name: 'Type', label: 'Type', kind: { options: TYPES }, value: 'A' },
              { name: 'TTL', label: 'TTL (seconds)', kind: 'number', value: '60' },
              { name: 'values', label: 'Values', kind: 'long', hint: 'One a line.' },
            ]}
            action={({ Name, Type, TTL, values }) =>
              change('UPSERT', {
                Name,
                Type: Type as RRType,
                TTL: Number(TTL),
                ResourceRecords: values.split('\n').filter(Boolean).map((Value) => ({ Value })),
              })
            }
          />
        </>
      )}
      columns={[
        { header: 'Name', cell: (r) => r.Name, by: (r) => r.Name, width: 240 },
        { header: 'Type', cell: (r) => r.Type, by: (r) => r.Type },
        { header: 'TTL', cell: (r) => r.TTL ?? '–', by: (r) => r.TTL },
        { header: 'Routing', cell: (r) => r.Weight !== undefined ? `weight ${r.Weight}` : (r.Failover ?? r.Region ?? 'simple') },
        { header: 'Value', cell: (r) => r.AliasTarget?.DNSName ?? r.ResourceRecords?.map((v) => v.Value).join(', '), width: 320 },
      ]}
    />
  );
}
