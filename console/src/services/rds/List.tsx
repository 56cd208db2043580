import { rds } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Databases',
  noun: 'Database',
  key: 'rds-instances',
  list: () =>
    everything(async (Marker) => {
      const page = await rds.describeDBInstances({ Marker });
      return { items: page.DBInstances, next: page.Marker };
    }),
  id: (d) => d.DBInstanceIdentifier ?? '',
  href: (d) => below('/databases', d.DBInstanceIdentifier),
  columns: [
    { header: 'Status', cell: (d) => <Status state={d.DBInstanceStatus} />, by: (d) => d.DBInstanceStatus },
    { header: 'Engine', cell: (d) => `${d.Engine} ${d.EngineVersion}`, by: (d) => d.Engine },
    { header: 'Class', cell: (d) => d.DBInstanceClass, by: (d) => d.DBInstanceClass },
    { header: 'Endpoint', cell: (d) => (d.Endpoint ? `${d.Endpoint.Address}:${d.Endpoint.Port}` : '–'), width: 320 },
    { header: 'Storage', cell: (d) => `${d.AllocatedStorage} GiB`, by: (d) => d.AllocatedStorage },
  ],
  create: {
    verb: 'Create database',
    fields: [
      { name: 'DBInstanceIdentifier', label: 'Name' },
      { name: 'Engine', label: 'Engine', kind: { options: ['postgres', 'mariadb', 'mysql'] }, value: 'postgres' },
      { name: 'DBInstanceClass', label: 'Class', value: 'db.t3.micro' },
      { name: 'AllocatedStorage', label: 'Storage (GiB)', kind: 'number', value: '20' },
      { name: 'MasterUsername', label: 'User', value: 'master' },
      { name: 'MasterUserPassword', label: 'Password', kind: 'secret' },
    ],
    go: ({ AllocatedStorage, ...rest }) => rds.createDBInstance({ ...(rest as { DBInstanceIdentifier: string; DBInstanceClass: string; Engine: string }), AllocatedStorage: Number(AllocatedStorage) }),
  },
  remove: {
    consequence: 'No last snapshot is taken.',
    go: (d) => rds.deleteDBInstance({ DBInstanceIdentifier: d.DBInstanceIdentifier, SkipFinalSnapshot: true }),
  },
});
