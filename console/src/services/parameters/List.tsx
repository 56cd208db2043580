import type { ParameterType } from '@aws-sdk/client-ssm';
import { ssm } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';

export default listPage({
  title: 'Parameters',
  noun: 'Parameter',
  key: 'ssm-parameters',
  list: () =>
    everything(async (NextToken) => {
      const page = await ssm.describeParameters({ NextToken, MaxResults: 50 });
      return { items: page.Parameters, next: page.NextToken };
    }),
  id: (p) => p.Name ?? '',
  href: (p) => below('/parameters', p.Name),
  columns: [
    { header: 'Type', cell: (p) => p.Type, by: (p) => p.Type },
    { header: 'Version', cell: (p) => p.Version, by: (p) => p.Version },
    { header: 'Changed', cell: (p) => time(p.LastModifiedDate), by: (p) => p.LastModifiedDate?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Create parameter',
    fields: [
      { name: 'Name', label: 'Name' },
      { name: 'Type', label: 'Type', kind: { options: ['String', 'StringList', 'SecureString'] }, value: 'String' },
      { name: 'Value', label: 'Value', kind: 'long' },
    ],
    go: ({ Name, Type, Value }) => ssm.putParameter({ Name, Type: Type as ParameterType, Value }),
  },
  remove: { go: (p) => ssm.deleteParameter({ Name: p.Name }) },
});
