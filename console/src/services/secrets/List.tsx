import { secretsManager } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';

export default listPage({
  title: 'Secrets',
  noun: 'Secret',
  key: 'secrets',
  list: () =>
    everything(async (NextToken) => {
      const page = await secretsManager.listSecrets({ NextToken });
      return { items: page.SecretList, next: page.NextToken };
    }),
  id: (s) => s.Name ?? '',
  href: (s) => below('/secrets', s.Name),
  columns: [
    { header: 'Description', cell: (s) => s.Description ?? '–', by: (s) => s.Description, width: 240 },
    { header: 'Key', cell: (s) => s.KmsKeyId ?? 'aws/secretsmanager' },
    { header: 'Changed', cell: (s) => time(s.LastChangedDate), by: (s) => s.LastChangedDate?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Store secret',
    fields: [
      { name: 'Name', label: 'Name' },
      { name: 'SecretString', label: 'Value', kind: 'secret' },
      { name: 'Description', label: 'Description', optional: true },
    ],
    go: ({ Name, SecretString, Description }) => secretsManager.createSecret({ Name, SecretString, Description: Description || undefined }),
  },
  remove: { consequence: 'It is deleted in seven days; until then it can be restored.', go: (s) => secretsManager.deleteSecret({ SecretId: s.Name, RecoveryWindowInDays: 7 }) },
});
