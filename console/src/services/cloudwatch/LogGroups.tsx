import { logs } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { bytes, time } from '../../parts/names';
import { groups } from './ask';

export default listPage({
  title: 'Log groups',
  noun: 'Log group',
  key: 'log-groups',
  list: groups,
  id: (g) => g.logGroupName ?? '',
  href: (g) => below('/cloudwatch/log-groups', g.logGroupName),
  columns: [
    { header: 'Retention', cell: (g) => (g.retentionInDays ? `${g.retentionInDays} days` : 'Never expire'), by: (g) => g.retentionInDays },
    { header: 'Stored', cell: (g) => bytes(g.storedBytes), by: (g) => g.storedBytes },
    { header: 'Metric filters', cell: (g) => g.metricFilterCount, by: (g) => g.metricFilterCount },
    { header: 'Created', cell: (g) => time(g.creationTime), by: (g) => g.creationTime, width: 180 },
  ],
  create: { verb: 'Create log group', fields: [{ name: 'logGroupName', label: 'Name' }], go: ({ logGroupName }) => logs.createLogGroup({ logGroupName }) },
  remove: { consequence: 'All its events go with it.', go: (g) => logs.deleteLogGroup({ logGroupName: g.logGroupName }) },
});
