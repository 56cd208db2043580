import { route53 } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';

export default listPage({
  title: 'Hosted zones',
  noun: 'Hosted zone',
  key: 'route53-zones',
  list: () =>
    everything(async (Marker) => {
      const page = await route53.listHostedZones({ Marker });
      return { items: page.HostedZones, next: page.NextMarker };
    }),
  id: (z) => z.Id?.split('/').pop() ?? '',
  name: (z) => z.Name ?? '',
  href: (z) => below('/hosted-zones', z.Id?.split('/').pop()),
  columns: [
    { header: 'ID', cell: (z) => z.Id?.split('/').pop(), by: (z) => z.Id },
    { header: 'Kind', cell: (z) => (z.Config?.PrivateZone ? 'Private' : 'Public') },
    { header: 'Records', cell: (z) => z.ResourceRecordSetCount, by: (z) => z.ResourceRecordSetCount },
    { header: 'Comment', cell: (z) => z.Config?.Comment ?? '–', width: 240 },
  ],
  create: {
    verb: 'Create hosted zone',
    fields: [{ name: 'Name', label: 'Domain' }],
    go: ({ Name }) => route53.createHostedZone({ Name, CallerReference: String(Date.now()) }),
  },
  remove: { consequence: 'It must have no records but its own NS and SOA.', go: (z) => route53.deleteHostedZone({ Id: z.Id }) },
});
