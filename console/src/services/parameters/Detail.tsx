import { ssm } from '../../aws/clients';
import { Ask } from '../../parts/Ask';
import { Copied } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { time } from '../../parts/names';

export default detailPage({
  from: ['Parameters', '/parameters'],
  key: 'ssm-parameter',
  get: async (Name) => (await ssm.getParameter({ Name })).Parameter,
  facts: (p) => [
    ['Value', p.Type === 'SecureString' ? 'Encrypted' : p.Value],
    ['Type', p.Type],
    ['Version', p.Version],
    ['Changed', time(p.LastModifiedDate)],
    ['ARN', <Copied key="a" text={p.ARN} />],
  ],
  actions: (p, Name) => (
    <Ask
      primary
      verb="Change value"
      title={`Change the value of ${Name}`}
      fields={[{ name: 'Value', label: 'Value', kind: 'long', value: p.Type === 'SecureString' ? '' : p.Value }]}
      action={({ Value }) => ssm.putParameter({ Name, Value, Overwrite: true })}
    />
  ),
});
