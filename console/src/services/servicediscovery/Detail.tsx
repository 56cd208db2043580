import { serviceDiscovery } from '../../aws/clients';
import { everything, useLive } from '../../aws/live';
import { detailPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Rows } from '../../parts/Rows';

export default detailPage({
  from: ['Namespaces', '/cloud-map'],
  key: 'cloud-map-namespace',
  get: async (Id) => (await serviceDiscovery.getNamespace({ Id })).Namespace,
  title: (n, id) => n?.Name ?? id,
  facts: (n) => [
    ['ID', n.Id],
    ['Type', n.Type],
    ['Hosted zone', n.Properties?.DnsProperties?.HostedZoneId],
    ['Created', time(n.CreateDate)],
  ],
  tabs: (_, id) => [{ id: 'services', label: 'Services and instances', content: <Services namespace={id} /> }],
});

function Services({ namespace }: { namespace: string }) {
  const live = useLive(['cloud-map-services', namespace], async () => {
    const services = await everything(async (NextToken) => {
      const page = await serviceDiscovery.listServices({ NextToken, Filters: [{ Name: 'NAMESPACE_ID', Values: [namespace] }] });
      return { items: page.Services, next: page.NextToken };
    });
    return Promise.all(services.map(async (s) => ({ ...s, instances: (await serviceDiscovery.listInstances({ ServiceId: s.Id })).Instances ?? [] })));
  });
  return (
    <Rows
      title="Services"
      live={live}
      id={(s) => s.Id ?? ''}
      columns={[
        { header: 'Service', cell: (s) => s.Name, by: (s) => s.Name },
        { header: 'ID', cell: (s) => s.Id, by: (s) => s.Id },
        { header: 'Records', cell: (s) => s.DnsConfig?.DnsRecords?.map((r) => `${r.Type} ${r.TTL} s`).join(', ') || '–' },
        {
          header: 'Instances',
          cell: (s) => s.instances.map((i) => `${i.Attributes?.AWS_INSTANCE_IPV4 ?? i.Id}${i.Attributes?.AWS_INSTANCE_PORT ? `:${i.Attributes.AWS_INSTANCE_PORT}` : ''}`).join(', ') || 'None',
          width: 300,
        },
      ]}
    />
  );
}
