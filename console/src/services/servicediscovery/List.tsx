import { serviceDiscovery } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';

export default listPage({
  title: 'Namespaces',
  noun: 'Namespace',
  key: 'cloud-map-namespaces',
  list: () =>
    everything(async (NextToken) => {
      const page = await serviceDiscovery.listNamespaces({ NextToken });
      return { items: page.Namespaces, next: page.NextToken };
    }),
  id: (n) => n.Id ?? '',
  name: (n) => n.Name ?? '',
  href: (n) => below('/cloud-map', n.Id),
  columns: [
    { header: 'Type', cell: (n) => n.Type, by: (n) => n.Type },
    { header: 'Services', cell: (n) => n.ServiceCount, by: (n) => n.ServiceCount },
    { header: 'Created', cell: (n) => time(n.CreateDate), by: (n) => n.CreateDate?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Create namespace',
    fields: [{ name: 'Name', label: 'Name', hint: 'Of HTTP: its services are found by the API.' }],
    go: ({ Name }) => serviceDiscovery.createHttpNamespace({ Name }),
  },
  remove: { go: (n) => serviceDiscovery.deleteNamespace({ Id: n.Id }) },
});
