import { elbv2 } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { firstSubnets, targetGroups } from './ask';

export default listPage({
  title: 'Target groups',
  noun: 'Target group',
  key: 'elbv2-groups',
  list: targetGroups,
  id: (g) => g.TargetGroupName ?? '',
  href: (g) => below('/target-groups', g.TargetGroupName),
  columns: [
    { header: 'Protocol', cell: (g) => `${g.Protocol} ${g.Port ?? ''}`, by: (g) => g.Protocol },
    { header: 'Targets are', cell: (g) => g.TargetType, by: (g) => g.TargetType },
    { header: 'Health check', cell: (g) => `${g.HealthCheckProtocol} ${g.HealthCheckPath ?? ''}`, width: 160 },
    { header: 'Load balancer', cell: (g) => g.LoadBalancerArns?.map((arn) => arn.split('/')[2]).join(', ') || 'None', width: 160 },
    { header: 'VPC', cell: (g) => g.VpcId, by: (g) => g.VpcId },
  ],
  create: {
    verb: 'Create target group',
    fields: [
      { name: 'Name', label: 'Name', hint: 'In the default VPC, for targets by their address.' },
      { name: 'Protocol', label: 'Protocol', kind: { options: ['HTTP', 'TCP'] }, value: 'HTTP' },
      { name: 'Port', label: 'Port', kind: 'number', value: '80' },
      { name: 'path', label: 'Health check path', value: '/', hint: 'Of HTTP.', optional: true },
    ],
    go: async ({ Name, Protocol, Port, path }) =>
      elbv2.createTargetGroup({
        Name,
        Protocol: Protocol as 'HTTP' | 'TCP',
        Port: Number(Port),
        TargetType: 'ip',
        VpcId: (await firstSubnets()).vpc,
        HealthCheckPath: Protocol === 'HTTP' ? path || '/' : undefined,
      }),
  },
  remove: { go: (g) => elbv2.deleteTargetGroup({ TargetGroupArn: g.TargetGroupArn }) },
});
