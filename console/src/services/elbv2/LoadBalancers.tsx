import { elbv2 } from '../../aws/clients';
import { Copied } from '../../parts/Facts';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';
import { balancers, firstSubnets } from './ask';

export default listPage({
  title: 'Load balancers',
  noun: 'Load balancer',
  key: 'elbv2-balancers',
  list: balancers,
  id: (b) => b.LoadBalancerName ?? '',
  href: (b) => below('/load-balancers', b.LoadBalancerName),
  columns: [
    { header: 'State', cell: (b) => <Status state={b.State?.Code} why={b.State?.Reason} />, by: (b) => b.State?.Code },
    { header: 'Type', cell: (b) => b.Type, by: (b) => b.Type },
    { header: 'Scheme', cell: (b) => b.Scheme, by: (b) => b.Scheme },
    { header: 'DNS name', cell: (b) => <Copied text={b.DNSName} />, by: (b) => b.DNSName, width: 300 },
    { header: 'Created', cell: (b) => time(b.CreatedTime), by: (b) => b.CreatedTime?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Create load balancer',
    fields: [
      { name: 'Name', label: 'Name', hint: 'In two subnets of the default VPC.' },
      { name: 'Type', label: 'Type', kind: { options: ['application', 'network'] }, value: 'application' },
      { name: 'Scheme', label: 'Scheme', kind: { options: ['internet-facing', 'internal'] }, value: 'internet-facing' },
    ],
    go: async ({ Name, Type, Scheme }) =>
      elbv2.createLoadBalancer({
        Name,
        Type: Type as 'application' | 'network',
        Scheme: Scheme as 'internal' | 'internet-facing',
        Subnets: (await firstSubnets()).subnets,
      }),
  },
  remove: { consequence: 'Its listeners go with it; its target groups stay.', go: (b) => elbv2.deleteLoadBalancer({ LoadBalancerArn: b.LoadBalancerArn }) },
});
