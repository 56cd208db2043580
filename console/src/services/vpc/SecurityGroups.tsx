import { ec2 } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { securityGroups } from './ask';

export default listPage({
  title: 'Security groups',
  noun: 'Security group',
  key: 'security-groups',
  list: securityGroups,
  id: (g) => g.GroupId ?? '',
  name: (g) => g.GroupName ?? '',
  href: (g) => below('/vpc/security-groups', g.GroupId),
  columns: [
    { header: 'ID', cell: (g) => g.GroupId, by: (g) => g.GroupId, width: 190 },
    { header: 'VPC', cell: (g) => g.VpcId, by: (g) => g.VpcId, width: 190 },
    { header: 'Rules in', cell: (g) => g.IpPermissions?.length ?? 0 },
    { header: 'Description', cell: (g) => g.Description, by: (g) => g.Description, width: 240 },
  ],
  create: {
    verb: 'Create security group',
    fields: [
      { name: 'GroupName', label: 'Name', hint: 'In the default VPC.' },
      { name: 'Description', label: 'Description' },
    ],
    go: async ({ GroupName, Description }) => {
      const vpcs = await ec2.describeVpcs({ Filters: [{ Name: 'is-default', Values: ['true'] }] });
      return ec2.createSecurityGroup({ GroupName, Description, VpcId: vpcs.Vpcs?.[0]?.VpcId });
    },
  },
  remove: { go: (g) => ec2.deleteSecurityGroup({ GroupId: g.GroupId }) },
});
