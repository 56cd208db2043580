import { kms } from '../../aws/clients';
import { everything } from '../../aws/live';
import { listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Keys',
  noun: 'Key',
  key: 'kms-keys',
  list: async () => {
    const [keys, aliases] = await Promise.all([
      everything(async (Marker) => {
        const page = await kms.listKeys({ Marker });
        return { items: page.Keys, next: page.NextMarker };
      }),
      everything(async (Marker) => {
        const page = await kms.listAliases({ Marker });
        return { items: page.Aliases, next: page.NextMarker };
      }),
    ]);
    return Promise.all(
      keys.map(async ({ KeyId }) => ({
        ...(await kms.describeKey({ KeyId })).KeyMetadata,
        aliases: aliases.filter((a) => a.TargetKeyId === KeyId).map((a) => a.AliasName),
      })),
    );
  },
  id: (k) => k.KeyId ?? '',
  columns: [
    { header: 'Aliases', cell: (k) => k.aliases.join(', ') || '–', by: (k) => k.aliases.join(), width: 200 },
    { header: 'State', cell: (k) => <Status state={k.KeyState} />, by: (k) => k.KeyState },
    { header: 'Managed by', cell: (k) => k.KeyManager, by: (k) => k.KeyManager },
    { header: 'Kind', cell: (k) => k.KeySpec, by: (k) => k.KeySpec },
    { header: 'Created', cell: (k) => time(k.CreationDate), by: (k) => k.CreationDate?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Create key',
    fields: [
      { name: 'alias', label: 'Alias', value: 'alias/', optional: true },
      { name: 'Description', label: 'Description', optional: true },
    ],
    go: async ({ alias, Description }) => {
      const { KeyMetadata } = await kms.createKey({ Description: Description || undefined });
      if (alias && alias !== 'alias/') await kms.createAlias({ AliasName: alias, TargetKeyId: KeyMetadata?.KeyId });
    },
  },
  remove: {
    verb: 'Schedule deletion',
    consequence: 'In seven days what it encrypted can no longer be read.',
    go: (k) => kms.scheduleKeyDeletion({ KeyId: k.KeyId, PendingWindowInDays: 7 }),
  },
});
